"""What ties orders together whatever they pay: choices, a buyer's cap on an owner, a site's power.

Kept while placements are accepted one by one: an order that would break one of them is refused. Budgets
are about payments, and so with the book.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from marketplace.engine.book import Fill
from marketplace.engine.facts import Facts
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import Snapshot


class Groups:
    """What is left of every choice and cap."""

    def __init__(self, snapshot: Snapshot, facts: Facts) -> None:
        self._facts = facts
        self._choices = [choice.most for choice in snapshot.choices]
        self._choices_of: dict[int, list[int]] = defaultdict(list)
        for index, choice in enumerate(snapshot.choices):
            for request in choice.requests:
                self._choices_of[request].append(index)
        self._buyer = {request.id: request.buyer for request in snapshot.requests}
        self._caps = {(cap.buyer, cap.owner): cap.card_hours for cap in snapshot.owner_caps}
        self._power = {site.id: list(site.power_cap) for site in snapshot.sites if site.power_cap}

    def broken_by(self, fill: Fill) -> Constraint | None:
        """The first group that has too little left for the fill."""
        request = fill.want.request
        if any(self._choices[index] < 1 for index in self._choices_of.get(request, ())):
            return Constraint.CHOICE
        if any(self._caps.get(key, hours) < hours for key, hours in self._hours(fill).items()):
            return Constraint.OWNER_CAP
        if any(self._power[site][slot] < watts for (site, slot), watts in self._watts(fill).items()):
            return Constraint.POWER
        return None

    def accept(self, fill: Fill) -> None:
        """Take off what an accepted fill uses."""
        request = fill.want.request
        for index in self._choices_of.get(request, ()):
            self._choices[index] -= 1
        for key, hours in self._hours(fill).items():
            if key in self._caps:
                self._caps[key] -= hours
        for (site, slot), watts in self._watts(fill).items():
            self._power[site][slot] -= watts

    def _hours(self, fill: Fill) -> Counter[tuple[int, int]]:
        """Card-hours by buyer and owner, where there are caps at all."""
        hours: Counter[tuple[int, int]] = Counter()
        if self._caps:
            for take in fill.takes:
                owner = self._facts.sites[take.row].owner
                hours[self._buyer[fill.want.request], owner] += take.cards * take.slots
        return hours

    def _watts(self, fill: Fill) -> Counter[tuple[int, int]]:
        """Watts by site and slot, for sites with a cap."""
        watts: Counter[tuple[int, int]] = Counter()
        for take in fill.takes:
            site = self._facts.sites[take.row].id
            if site in self._power:
                drawn = take.cards * (self._facts.models[take.row].power or 0)
                for slot in range(take.first_slot, take.first_slot + take.slots):
                    watts[site, slot] += drawn
        return watts
