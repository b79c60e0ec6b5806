"""What placements amount to, whoever made them, and whether they could be delivered and paid.

Plain and slow, from the rows of the snapshot: neither the engine's code nor the peers' arrays have a part
in it. The one rule of money that holds for every peer is that nobody pays more than its limit at the
offers' asks. Uniform prices are ours alone; ``verify`` checks them in the peer that has them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from marketplace.engine import MICRO, Alternative, Offer, Placement, Request, Snapshot, Unit

PICO_IN_A_MICRO = MICRO


@dataclass(frozen=True, slots=True)
class Score:
    """``surplus`` in micro-units of the base currency; ``full`` counts requests that got everything."""

    surplus: int
    matched: int
    full: int
    card_hours: int
    problems: tuple[str, ...]


def score(snapshot: Snapshot, placements: Iterable[Placement]) -> Score:
    return Scorer(snapshot).score(list(placements))


class Scorer:
    """The rows of a snapshot by name, and what groups of placements amount to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.requests = {request.id: request for request in snapshot.requests}
        self.offers = {offer.id: offer for offer in snapshot.offers}
        self.sites = {site.id: site for site in snapshot.sites}
        self.models = {model.slug: model for model in snapshot.models}
        self.base = {currency.code: currency.base_micro for currency in snapshot.currencies}

    def score(self, placements: list[Placement]) -> Score:
        groups: dict[int, list[Placement]] = defaultdict(list)
        for placement in placements:
            groups[placement.request].append(placement)
        problems = list(self._oversold(placements))
        surplus = full = 0
        for identity, group in groups.items():
            request = self.requests[identity]
            wanted = self.chosen(group)
            filled, cost = self.filled(wanted, group), sum(map(self.cost, group))
            worth = self.worth(request, wanted, filled)
            problems.extend(f"request {identity} {text}" for text in self._faults(request, wanted, group))
            if cost > worth:
                problems.append(f"request {identity} pays {cost} at the asks, over its limit of {worth}")
            surplus += worth - cost
            full += filled == wanted.amount
        return Score(
            surplus=surplus // PICO_IN_A_MICRO,
            matched=len(groups),
            full=full,
            card_hours=sum(placement.cards * placement.slots for placement in placements),
            problems=tuple(problems),
        )

    def _faults(self, request: Request, wanted: Alternative, group: list[Placement]) -> Iterator[str]:
        if len({(each.alternative, each.first_slot, each.slots) for each in group}) > 1:
            yield "is placed in more than one alternative or run"
        first, slots = group[0].first_slot, group[0].slots
        if slots != wanted.duration or first < wanted.earliest or first + slots > wanted.deadline:
            yield f"runs from slot {first} for {slots}"
        if len({each.offer for each in group}) > (1 if wanted.gang else len(group)):
            yield "is a gang on several offers"
        if self.filled(wanted, group) * MICRO < wanted.amount * request.least:
            yield "gets less than it accepts"
        idle = self._capability(wanted, group) - wanted.amount
        for each in group:
            offer = self.offers[each.offer]
            if idle >= offer.lot * self._rate(wanted, offer):
                yield f"buys a lot of offer {offer.id} for nothing"
            if each.cards % offer.lot or each.cards <= 0 or each.slots < offer.minimum_duration:
                yield f"breaks the terms of offer {offer.id}"
            yield from (f"on offer {offer.id}: {name}" for name in self.missing(wanted, offer))

    def missing(self, wanted: Alternative, offer: Offer) -> Iterator[str]:
        """Requirements that the offer does not meet; what nobody states meets none."""
        site, model = self.sites[offer.site], self.models[offer.model]
        trips = {trip.place: trip.microseconds for trip in site.round_trips}
        if wanted.models and offer.model not in wanted.models:
            yield "model"
        if self._rate(wanted, offer) <= 0:
            yield "rate"
        if wanted.precision is not None and wanted.precision not in model.precisions:
            yield "precision"
        if wanted.stacks and offer.stack not in wanted.stacks:
            yield "stack"
        if wanted.jurisdictions and site.jurisdiction not in wanted.jurisdictions:
            yield "jurisdiction"
        if wanted.latency and trips.get(wanted.latency.place, 2**63) > wanted.latency.microseconds:
            yield "latency"
        if wanted.carbon is not None and (site.carbon is None or site.carbon > wanted.carbon):
            yield "carbon"
        for name, asked, fact in (
            ("memory", wanted.memory, model.memory),
            ("bandwidth", wanted.bandwidth, site.bandwidth),
            ("renewable share", wanted.renewable_share, site.renewable_share),
            ("verification", wanted.verification, site.verification),
            ("notice", wanted.notice, offer.notice),
        ):
            if asked is not None and (fact is None or fact < asked):
                yield name

    def _oversold(self, placements: list[Placement]) -> Iterator[str]:
        sold: Counter[tuple[int, int]] = Counter()
        for each in placements:
            for slot in range(each.first_slot, each.first_slot + each.slots):
                sold[each.offer, slot] += each.cards
        for (identity, slot), cards in sold.items():
            offer = self.offers[identity]
            position = slot - offer.first_slot
            free = offer.free[position] if 0 <= position < len(offer.free) else 0
            if cards > free:
                yield f"offer {identity} sells {cards} cards of {free} in slot {slot}"

    def _rate(self, wanted: Alternative, offer: Offer) -> int:
        """What one card fills of the amount; 0 where nobody knows."""
        if wanted.unit is Unit.CARDS:
            return 1
        known = (rate for rate in self.models[offer.model].rates if rate.workload is wanted.workload)
        return next((rate.lower if wanted.careful else rate.point for rate in known), 0)

    def _capability(self, wanted: Alternative, group: list[Placement]) -> int:
        return sum(each.cards * self._rate(wanted, self.offers[each.offer]) for each in group)

    def chosen(self, group: list[Placement]) -> Alternative:
        first = group[0]
        alternatives = self.requests[first.request].alternatives
        return next(one for one in alternatives if one.position == first.alternative)

    def filled(self, wanted: Alternative, group: list[Placement]) -> int:
        return min(wanted.amount, self._capability(wanted, group))

    def worth(self, request: Request, wanted: Alternative, filled: int) -> int:
        """In pico: whole micro-units of the buyer's currency an hour, for every hour."""
        hourly = wanted.limit * filled // (MICRO if wanted.unit is Unit.NP else 1)
        return hourly * wanted.duration * self.base[request.currency]

    def cost(self, placement: Placement) -> int:
        """At the asks, in pico."""
        offer = self.offers[placement.offer]
        first = placement.first_slot - offer.first_slot
        asks = offer.asks[max(first, 0) : max(first, 0) + placement.slots]
        return sum(asks) * placement.cards * self.base[self.sites[offer.site].currency]
