"""What a request is told, by asking every offer every question in turn; Python's integers throughout.

Written from ``docs/engine.md`` and the docstrings of ``result`` with none of the engine's code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from marketplace.engine import MICRO, Alternative, Constraint, Offer, Request, Result, Snapshot, Unit
from tests.engine.brute import Product, Tiny

FAR = 10**99
Removed = tuple[tuple[Constraint, int], ...]


@dataclass(frozen=True)
class Told:
    """One market, and what a run decided about it."""

    snapshot: Snapshot
    result: Result

    @property
    def tiny(self) -> Tiny:
        return Tiny(self.snapshot)

    # Funnels

    def removed(self, request: Request, wanted: Alternative) -> Removed:
        """How many offers each constraint removes; what the alternative got is not told as too dear."""
        got = {
            each.offer
            for each in self.result.placements
            if (each.request, each.alternative) == (request.id, wanted.position)
        }
        found = [(offer.id, self.first_failed(request, wanted, offer)) for offer in self.snapshot.offers]
        counts = Counter(
            failed
            for offer, failed in found
            if failed is not None and not (failed is Constraint.LIMIT and offer in got)
        )
        return tuple((each, counts[each]) for each in Constraint if counts[each])

    def first_failed(self, request: Request, wanted: Alternative, offer: Offer) -> Constraint | None:
        standing = next((each for each, met in self._standing(wanted, offer) if not met), None)
        if standing is not None:
            return standing
        if not self._has_time(wanted, offer):
            return Constraint.WINDOW
        cards = self._cards(request, wanted, offer)
        if not any(self._runs(wanted, offer, cards, whatever_power=True)):
            return Constraint.CAPACITY
        runs = list(self._runs(wanted, offer, cards))
        if not runs:
            return Constraint.RENEWABLE_SHARE if wanted.carbon is None else Constraint.CARBON
        if wanted.divisible or any(self._within(request, wanted, offer, run) for run in runs):
            return None
        return Constraint.LIMIT

    def _standing(self, wanted: Alternative, offer: Offer) -> Iterator[tuple[Constraint, bool]]:
        site = next(each for each in self.snapshot.sites if each.id == offer.site)
        window = self.tiny.window(offer)
        model = next(each for each in self.snapshot.models if each.slug == offer.model)
        trips = {each.place: each.microseconds for each in site.round_trips}
        yield Constraint.MODEL, not wanted.models or offer.model in wanted.models
        yield Constraint.RATE, self.tiny.rate(wanted, offer) > 0
        yield Constraint.PRECISION, wanted.precision is None or wanted.precision in model.precisions
        yield Constraint.MEMORY, wanted.memory is None or model.memory >= wanted.memory
        yield Constraint.STACK, not wanted.stacks or offer.stack in wanted.stacks
        yield Constraint.JURISDICTION, not wanted.jurisdictions or site.jurisdiction in wanted.jurisdictions
        near = wanted.latency
        yield (
            Constraint.LATENCY,
            near is None or (near.place in trips and trips[near.place] <= near.microseconds),
        )
        yield Constraint.BANDWIDTH, _at_least(site.bandwidth, wanted.bandwidth)
        yield Constraint.RENEWABLE_SHARE, any(self.tiny.green(wanted, offer, slot) for slot in window)
        yield Constraint.CARBON, any(self.tiny.low(wanted, offer, slot) for slot in window)
        yield Constraint.VERIFICATION, _at_least(site.verification, wanted.verification)
        yield Constraint.NOTICE, _at_least(offer.notice, wanted.notice)

    def _length(self, wanted: Alternative, offer: Offer) -> int:
        """Slots of the shortest run."""
        return offer.minimum_duration if wanted.divisible else wanted.duration

    def _has_time(self, wanted: Alternative, offer: Offer) -> bool:
        first = max(wanted.earliest, offer.first_slot)
        end = min(wanted.deadline, offer.first_slot + len(offer.free))
        length = self._length(wanted, offer)
        return end - first >= length >= offer.minimum_duration

    def _cards(self, request: Request, wanted: Alternative, offer: Offer) -> int:
        """Cards of the smallest use that an offer can be of."""
        units = 1
        if wanted.gangs == 1:
            units = _up(wanted.amount * request.least, MICRO)
        elif wanted.gangs > 1:
            units = _up(wanted.amount, wanted.gangs)
        return self._lots(wanted, offer, units)

    def _lots(self, wanted: Alternative, offer: Offer, units: int) -> int:
        return _up(_up(units, self.tiny.rate(wanted, offer)), offer.lot) * offer.lot

    def _runs(
        self,
        wanted: Alternative,
        offer: Offer,
        cards: int,
        length: int = 0,
        *,
        whatever_power: bool = False,
    ) -> Iterator[range]:
        """Runs in which the cards were free before anybody was served, in hours with the power asked for."""
        length = length or self._length(wanted, offer)
        for first in range(wanted.earliest, wanted.deadline - length + 1):
            run = range(first, first + length)
            powered = whatever_power or self.tiny.powered(wanted, offer, run)
            if powered and self.tiny.most(offer, run) >= cards:
                yield run

    def _within(self, request: Request, wanted: Alternative, offer: Offer, run: range) -> bool:
        """Whether all of it, or the most whole lots below that, would be within the limit at the asks."""
        least = _up(wanted.amount * request.least, MICRO) if wanted.gangs else 1
        rate = self.tiny.rate(wanted, offer)
        below = wanted.amount // (rate * offer.lot) * offer.lot
        sizes = [self._lots(wanted, offer, wanted.amount)]
        if below * rate >= least:
            sizes.append(below)
        asked = sum(offer.asks[slot - offer.first_slot] for slot in run) * self._base(offer)
        return any(
            asked * cards <= self._worth(request, wanted, min(cards * rate, wanted.amount)) for cards in sizes
        )

    def _worth(self, request: Request, wanted: Alternative, units: int) -> int:
        return wanted.limit * units // _scale(wanted) * wanted.duration * self.tiny.base(request.currency)

    def _base(self, offer: Offer) -> int:
        return self.tiny.base(self.tiny.currency(offer))

    # What a refused request lost against

    def price(self, request: Request) -> int | None:
        """The lowest price of a unit-hour, in the request's currency, rounded up."""
        found = [
            _up(paid * _scale(wanted), units * hours * self.tiny.base(request.currency))
            for wanted in request.alternatives
            for offer in self._fitting(request, wanted)
            for hours in [1 if wanted.divisible else wanted.duration]
            for paid, units in self._costs(wanted, offer, self._cards(request, wanted, offer), hours)
        ]
        return min(found, default=None)

    def foregone(self, request: Request) -> int:
        """The best gain of having everything at one offer; 0 for several gangs and divisible work."""
        gains = [
            self._worth(request, wanted, wanted.amount) - paid
            for wanted in request.alternatives
            if not wanted.divisible and wanted.gangs <= 1
            for offer in self._fitting(request, wanted)
            for paid, _ in self._costs(
                wanted, offer, self._lots(wanted, offer, wanted.amount), wanted.duration
            )
        ]
        return max(0, *gains) // MICRO if gains else 0

    def _fitting(self, request: Request, wanted: Alternative) -> list[Offer]:
        passed = (None, Constraint.LIMIT)
        return [each for each in self.snapshot.offers if self.first_failed(request, wanted, each) in passed]

    def _costs(self, wanted: Alternative, offer: Offer, cards: int, hours: int) -> Iterator[tuple[int, int]]:
        """What so many cards cost over each run in pico, and the units that they do."""
        whole = wanted.amount * (wanted.duration if wanted.divisible else 1)
        product = self.tiny.product(offer)
        for run in self._runs(wanted, offer, cards, hours):
            hourly = (
                max(offer.asks[slot - offer.first_slot], self._prices.get((product, slot), 0)) for slot in run
            )
            units = min(cards * self.tiny.rate(wanted, offer), whole)
            yield sum(hourly) * cards * self._base(offer), units

    @property
    def _prices(self) -> dict[tuple[Product, int], int]:
        return {
            ((each.model, each.zone, each.currency), each.slot): each.price for each in self.result.prices
        }


def _scale(wanted: Alternative) -> int:
    """How many units of the amount the limit is for."""
    return 1 if wanted.unit is Unit.CARDS else MICRO


def _at_least(fact: int | None, asked: int | None) -> bool:
    return asked is None or (fact is not None and fact >= asked)


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
