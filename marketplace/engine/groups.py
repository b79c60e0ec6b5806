"""What ties orders together: budgets, choices, a buyer's cap on an owner, a site's power.

Kept while placements are accepted one by one: an order that would break one of them is refused. A
request counts against its budgets with all that it may be asked to pay, so that later rises of prices
cannot break them.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from marketplace.engine.book import Fill
from marketplace.engine.facts import Facts
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.want import bases


class Groups:
    """What is left of every budget, choice and cap."""

    def __init__(self, snapshot: Snapshot, facts: Facts) -> None:
        worth = bases(snapshot)
        self._facts = facts
        self._budgets = [budget.amount * worth[budget.currency] for budget in snapshot.budgets]
        self._choices = [choice.most for choice in snapshot.choices]
        self._budgets_of: dict[int, list[int]] = defaultdict(list)
        self._choices_of: dict[int, list[int]] = defaultdict(list)
        for index, budget in enumerate(snapshot.budgets):
            for request in budget.requests:
                self._budgets_of[request].append(index)
        for index, choice in enumerate(snapshot.choices):
            for request in choice.requests:
                self._choices_of[request].append(index)
        self._buyer = {request.id: request.buyer for request in snapshot.requests}
        self._caps = {(cap.buyer, cap.owner): cap.card_hours for cap in snapshot.owner_caps}
        self._power = {site.id: list(site.power_cap) for site in snapshot.sites if site.power_cap}

    def broken_by(self, fill: Fill) -> Constraint | None:
        """The first group that has too little left for the fill."""
        request = fill.want.request
        if any(self._budgets[index] < fill.worth for index in self._budgets_of.get(request, ())):
            return Constraint.BUDGET
        if any(self._choices[index] < 1 for index in self._choices_of.get(request, ())):
            return Constraint.CHOICE
        if any(self._caps.get(key, hours) < hours for key, hours in self._hours(fill).items()):
            return Constraint.OWNER_CAP
        slots = range(fill.first_slot, fill.first_slot + fill.slots)
        for site, watts in self._watts(fill).items():
            if any(self._power[site][slot] < watts for slot in slots):
                return Constraint.POWER
        return None

    def accept(self, fill: Fill) -> None:
        """Take off what an accepted fill uses."""
        request = fill.want.request
        for index in self._budgets_of.get(request, ()):
            self._budgets[index] -= fill.worth
        for index in self._choices_of.get(request, ()):
            self._choices[index] -= 1
        for key, hours in self._hours(fill).items():
            if key in self._caps:
                self._caps[key] -= hours
        for site, watts in self._watts(fill).items():
            for slot in range(fill.first_slot, fill.first_slot + fill.slots):
                self._power[site][slot] -= watts

    def _hours(self, fill: Fill) -> Counter[tuple[int, int]]:
        """Card-hours by buyer and owner, where there are caps at all."""
        hours: Counter[tuple[int, int]] = Counter()
        if self._caps:
            for row, cards in fill.takes:
                hours[self._buyer[fill.want.request], self._facts.sites[row].owner] += cards * fill.slots
        return hours

    def _watts(self, fill: Fill) -> Counter[int]:
        """Watts by site, for sites with a cap."""
        watts: Counter[int] = Counter()
        for row, cards in fill.takes:
            site = self._facts.sites[row].id
            if site in self._power:
                watts[site] += cards * (self._facts.models[row].power or 0)
        return watts
