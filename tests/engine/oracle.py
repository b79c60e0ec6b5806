"""A slow look at where a gang that wants all or nothing could go beside what is placed.

It tries every offer and first slot in turn, and recomputes what everybody would pay at the highest
asks from nothing but the list of placements. Money is in fractions of the base currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from marketplace.engine import (
    MICRO,
    Alternative,
    Offer,
    Placement,
    Request,
    Snapshot,
    Unit,
    Workload,
)


class Oracle:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.sites = {each.id: each for each in snapshot.sites}
        self.models = {each.slug: each for each in snapshot.models}
        self.offers = {each.id: each for each in snapshot.offers}
        self.requests = {each.id: each for each in snapshot.requests}
        self.base = {each.code: Fraction(each.base_micro, MICRO) for each in snapshot.currencies}
        self.placements: list[Placement] = []

    def point(self, offer: Offer, workload: Workload, *, careful: bool = False) -> int:
        for rate in self.models[offer.model].rates:
            if rate.workload is workload:
                return rate.lower if careful else rate.point
        return 0

    def rate(self, alternative: Alternative, offer: Offer) -> int:
        if alternative.unit is Unit.CARDS:
            return 1
        return self.point(offer, alternative.workload, careful=alternative.careful)

    def suits(self, wanted: Alternative, offer: Offer) -> bool:
        site, model = self.sites[offer.site], self.models[offer.model]
        trips = {each.place: each.microseconds for each in site.round_trips}
        return (
            (not wanted.models or offer.model in wanted.models)
            and self.rate(wanted, offer) > 0
            and (wanted.precision is None or wanted.precision in model.precisions)
            and (wanted.memory is None or model.memory >= wanted.memory)
            and (not wanted.stacks or offer.stack in wanted.stacks)
            and (not wanted.jurisdictions or site.jurisdiction in wanted.jurisdictions)
            and (
                wanted.latency is None
                or trips.get(wanted.latency.place, 10**99) <= wanted.latency.microseconds
            )
            and (wanted.bandwidth is None or (site.bandwidth or 0) >= wanted.bandwidth)
            and (wanted.renewable_share is None or (site.renewable_share or 0) >= wanted.renewable_share)
            and (wanted.carbon is None or (site.carbon is not None and site.carbon <= wanted.carbon))
            and (wanted.verification is None or site.verification >= wanted.verification)
            and (wanted.notice is None or offer.notice >= wanted.notice)
        )

    def options(
        self, request: Request, wanted: Alternative
    ) -> Iterator[tuple[Fraction, int, tuple[Fraction, int], Placement]]:
        for offer in self.snapshot.offers:
            if not self.suits(wanted, offer) or offer.minimum_duration > wanted.duration:
                continue
            cards = -(-wanted.amount // self.rate(wanted, offer))
            cards = -(-cards // offer.lot) * offer.lot
            for start in range(wanted.earliest, wanted.deadline - wanted.duration + 1):
                placement = Placement(request.id, wanted.position, offer.id, start, wanted.duration, cards)
                after = [*self.placements, placement]
                if self.is_free(offer, placement) and all(self.is_content(each, after) for each in after):
                    yield self.payment(placement, after), start, self.cheapness(offer), placement

    def cheapness(self, offer: Offer) -> tuple[Fraction, int]:
        pico = sum(offer.asks) * self.base[self.sites[offer.site].currency] * MICRO
        return Fraction(int(pico) // len(offer.asks)), offer.id

    def is_free(self, offer: Offer, placement: Placement) -> bool:
        for slot in slots(placement):
            position = slot - offer.first_slot
            if not 0 <= position < len(offer.free):
                return False
            taken = sum(
                each.cards for each in self.placements if each.offer == offer.id and slot in slots(each)
            )
            if taken + placement.cards > offer.free[position]:
                return False
        return True

    def is_content(self, placement: Placement, placements: list[Placement]) -> bool:
        request = self.requests[placement.request]
        wanted = next(each for each in request.alternatives if each.position == placement.alternative)
        return self.payment(placement, placements) <= self.worth(request, wanted)

    def worth(self, request: Request, wanted: Alternative) -> Fraction:
        hourly = wanted.limit * wanted.amount // (1 if wanted.unit is Unit.CARDS else MICRO)
        return hourly * wanted.duration * self.base[request.currency]

    def payment(self, placement: Placement, placements: list[Placement]) -> Fraction:
        product = self.product(placement)
        total = 0
        for slot in slots(placement):
            rivals = [each for each in placements if slot in slots(each) and self.product(each) == product]
            total += placement.cards * max(self.ask(each, slot) for each in rivals)
        return total * self.base[product[2]]

    def ask(self, placement: Placement, slot: int) -> int:
        offer = self.offers[placement.offer]
        return offer.asks[slot - offer.first_slot]

    def product(self, placement: Placement) -> tuple[str, str, str]:
        offer = self.offers[placement.offer]
        site = self.sites[offer.site]
        return offer.model, site.zone, site.currency


def slots(placement: Placement) -> range:
    return range(placement.first_slot, placement.first_slot + placement.slots)
