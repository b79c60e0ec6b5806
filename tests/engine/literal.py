"""The bound as the formulas of ``docs/engine.md`` have it, term by term, in Python's integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from marketplace.engine import MICRO, Alternative, Offer, Request, Shadow, Snapshot, Unit
from tests.engine.brute import Tiny


class Literal:
    def __init__(self, snapshot: Snapshot, shadows: tuple[Shadow, ...]) -> None:
        self.snapshot, self.shadows, self.tiny = snapshot, shadows, Tiny(snapshot)
        self.members = [[each for each in snapshot.offers if each.id in shadow.offers] for shadow in shadows]

    def bound(self) -> int:
        return self.supply() + sum(self.best(request) for request in self.snapshot.requests)

    # supply = Σ free · (p − ĉ)⁺

    def supply(self) -> int:
        return sum(
            self.tiny.free(offer, slot) * max(0, shadow.prices[slot] - self.cost(offer, slot))
            for shadow, members in zip(self.shadows, self.members, strict=True)
            for offer in members
            for slot in range(self.snapshot.slots)
        )

    def cost(self, offer: Offer, slot: int) -> int:
        """ĉ: ask and emissions, rounded down."""
        position = slot - offer.first_slot
        ask = offer.asks[position] if 0 <= position < len(offer.asks) else 0
        emission = -(-self.snapshot.carbon_price * self.power(offer) * self.carbon(offer, slot) // 1_000)
        return (ask * self.tiny.base(self.tiny.currency(offer)) + emission) // MICRO

    def power(self, offer: Offer) -> int:
        powers = {each.slug: each.power for each in self.snapshot.models}
        own = powers[offer.model]
        return max(each or 0 for each in powers.values()) if own is None else own

    def carbon(self, offer: Offer, slot: int) -> int:
        own = self.tiny.power_of(offer, slot)[1]
        return self.tiny.highest_carbon() if own is None else own

    # gains

    def best(self, request: Request) -> int:
        gains = [0]
        for wanted in request.alternatives:
            run = 1 if wanted.divisible else wanted.duration
            for first in range(wanted.earliest, wanted.deadline - run + 1):
                gains.extend(self.gains(request, wanted, first, run))
        return max(gains)

    def gains(self, request: Request, wanted: Alternative, first: int, run: int) -> Iterator[int]:
        worth = self.worth(request, wanted)
        parts = []
        for group, shadow in enumerate(self.shadows):
            able = self.able(wanted, group)
            if not able or not self.reaches(group, first, run):
                continue
            cost = sum(shadow.prices[first : first + run])
            rate = self.tiny.rate(wanted, able[0])
            yield from (self.alone(request, wanted, worth, each, cost, group) for each in able)
            if min(each.lot for each in able) * rate < wanted.amount and cost < worth:
                room = sum(max(each.free) // each.lot * each.lot for each in able) * rate
                parts.append((cost, rate, room))
        if self.mixes(request, wanted):
            yield self.mixed(request, wanted, worth, parts)

    def able(self, wanted: Alternative, group: int) -> list[Offer]:
        """E: the offers of the group that serve the alternative."""
        return [
            each
            for each in self.members[group]
            if max(each.free) >= each.lot
            and self.tiny.suits(wanted, each)
            and (wanted.divisible or each.minimum_duration <= wanted.duration)
        ]

    def reaches(self, group: int, first: int, run: int) -> bool:
        slots = range(first, first + run)
        return any(self.tiny.most(each, slots) > 0 for each in self.members[group])

    def worth(self, request: Request, wanted: Alternative) -> int:
        """V: rounded down as it is paid where nothing less than all may be filled."""
        scale = 1 if wanted.unit is Unit.CARDS else MICRO
        base = self.tiny.base(request.currency)
        if self.all_or_nothing(request, wanted):
            if wanted.divisible:
                return _up(wanted.limit * wanted.amount * wanted.duration // scale * base, MICRO)
            return _up(wanted.limit * wanted.amount // scale * wanted.duration * base, MICRO)
        return _up(wanted.limit * wanted.amount * wanted.duration * base, scale * MICRO)

    def all_or_nothing(self, request: Request, wanted: Alternative) -> bool:
        goal = wanted.amount * (wanted.duration if wanted.divisible else 1)
        if wanted.gangs > 1:
            goal = wanted.gangs
        return _up(goal * request.least, MICRO) == goal

    def mixes(self, request: Request, wanted: Alternative) -> bool:
        """Whether any share of an amount over the same slots may come from anywhere."""
        if wanted.divisible or wanted.gangs > 1:
            return False
        return wanted.gangs == 0 or not self.all_or_nothing(request, wanted)

    def alone(
        self, request: Request, wanted: Alternative, worth: int, offer: Offer, cost: int, group: int
    ) -> int:
        """From one group alone, by the lot of ``offer``."""
        rate = self.tiny.rate(wanted, offer)
        if wanted.divisible:
            work = wanted.amount * wanted.duration
            return worth - (max(1024 * work // rate, 1024 * offer.lot) * cost >> 10)
        if self.mixes(request, wanted):
            return worth - offer.lot * cost if offer.lot * rate >= wanted.amount else 0
        cards = self.tiny.gang(wanted, offer)
        peak = max(max(each.free) for each in self.members[group])
        return worth - wanted.gangs * cards * cost if cards <= peak else 0

    def mixed(
        self, request: Request, wanted: Alternative, worth: int, parts: list[tuple[int, int, int]]
    ) -> int:
        """Units from the cheapest on: all that gain, and as many as must be."""
        bits = min(20, 62 - (worth - 1).bit_length())
        fewest = _up(wanted.amount * request.least, MICRO)
        filled = paid = 0
        for unit, room in sorted(((cost << bits) // rate, room) for cost, rate, room in parts):
            gaining = unit <= (worth << bits) // wanted.amount
            taken = min(room, max(0, (wanted.amount if gaining else fewest) - filled))
            filled, paid = filled + taken, paid + unit * taken
        if filled < fewest:
            return 0
        return math.ceil(Fraction(worth * filled, wanted.amount) - Fraction(paid, 1 << bits))


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
