"""The best of a tiny market, by trying everything.

Written from ``docs/engine.md`` with nothing but the types: every legal way to serve every request is
listed, and every combination that the cards, caps and choices allow is looked at. Only two thoughts save
time, and both are plain: an order that adds nothing is left out, because without it everything else still
holds; and a combination is given up when all that is left to come could not lift it above the best found.

Money is in pico, exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from marketplace.engine import (
    MICRO,
    Alternative,
    Offer,
    Placement,
    Request,
    Snapshot,
    Unit,
)

Fill = tuple[Placement, ...]
"""All that one request gets."""

Product = tuple[str, str, str]
Run = tuple[int, int, int]
"""First slot, slots, cards."""


def optimum(snapshot: Snapshot) -> int:
    """The best objective of any placement that delivers what is asked for, whatever it would cost whom.

    Budgets are about payments, so they are not looked at.
    """
    return _best(Tiny(snapshot), lambda _: True)[0]


def best_priced(snapshot: Snapshot) -> int:
    """The best objective of any placement for which uniform prices exist."""
    return best_priced_placements(snapshot)[0]


def best_priced_placements(snapshot: Snapshot) -> tuple[int, list[Placement]]:
    """That objective, and placements that reach it.

    A price is at least the highest accepted ask of its product and slot, and everybody pays least where it
    is just that. So prices exist if and only if those will do.
    """
    tiny = Tiny(snapshot)
    return _best(tiny, tiny.affordable)


def _best(tiny: Tiny, admissible: Callable[[Sequence[Placement]], bool]) -> tuple[int, list[Placement]]:
    """The best of all combinations of fills that are possible and admissible.

    What is not so for some orders is not so for more: cards run out, and prices only rise.
    """
    options = [tiny.options(request) for request in tiny.snapshot.requests]
    hope = [max((value for value, _ in fills), default=0) for fills in options]
    best: tuple[int, list[Placement]] = (0, [])

    def look(number: int, value: int, placed: list[Placement]) -> None:
        nonlocal best
        if value + sum(hope[number:]) <= best[0] or not (tiny.possible(placed) and admissible(placed)):
            return
        best = max(best, (value, placed), key=lambda each: each[0])
        if number < len(options):
            for added, fill in options[number]:
                look(number + 1, value + added, [*placed, *fill])
            look(number + 1, value, placed)

    look(0, 0, [])
    return best


@dataclass(frozen=True)
class Tiny:
    """One market, asked in the plainest way."""

    snapshot: Snapshot

    # What things are

    def offer(self, placement: Placement) -> Offer:
        return next(each for each in self.snapshot.offers if each.id == placement.offer)

    def request(self, placement: Placement) -> Request:
        return next(each for each in self.snapshot.requests if each.id == placement.request)

    def wanted(self, placement: Placement) -> Alternative:
        alternatives = self.request(placement).alternatives
        return next(each for each in alternatives if each.position == placement.alternative)

    def base(self, code: str) -> int:
        return next(each.base_micro for each in self.snapshot.currencies if each.code == code)

    def currency(self, offer: Offer) -> str:
        return next(each.currency for each in self.snapshot.sites if each.id == offer.site)

    def product(self, offer: Offer) -> Product:
        zone = next(each.zone for each in self.snapshot.sites if each.id == offer.site)
        return offer.model, zone, self.currency(offer)

    def rate(self, wanted: Alternative, offer: Offer) -> int:
        """What a card fills; 0 if nobody knows."""
        if wanted.unit is Unit.CARDS:
            return 1
        model = next(each for each in self.snapshot.models if each.slug == offer.model)
        rates = [each for each in model.rates if each.workload is wanted.workload]
        return sum(each.lower if wanted.careful else each.point for each in rates)

    def suits(self, wanted: Alternative, offer: Offer) -> bool:
        """Whether the offer meets every standing requirement; of power, in some slot of its window."""
        site = next(each for each in self.snapshot.sites if each.id == offer.site)
        model = next(each for each in self.snapshot.models if each.slug == offer.model)
        near = wanted.latency is None or any(
            trip.place == wanted.latency.place and trip.microseconds <= wanted.latency.microseconds
            for trip in site.round_trips
        )
        return (
            (not wanted.models or offer.model in wanted.models)
            and self.rate(wanted, offer) > 0
            and (wanted.precision is None or wanted.precision in model.precisions)
            and (wanted.memory is None or wanted.memory <= model.memory)
            and (not wanted.stacks or offer.stack in wanted.stacks)
            and (not wanted.jurisdictions or site.jurisdiction in wanted.jurisdictions)
            and near
            and (wanted.bandwidth is None or wanted.bandwidth <= _or_minus_one(site.bandwidth))
            and any(self.green(wanted, offer, slot) for slot in self.window(offer))
            and any(self.low(wanted, offer, slot) for slot in self.window(offer))
            and (wanted.verification is None or wanted.verification <= site.verification)
            and (wanted.notice is None or wanted.notice <= offer.notice)
        )

    def window(self, offer: Offer) -> range:
        return range(offer.first_slot, offer.first_slot + len(offer.free))

    def green(self, wanted: Alternative, offer: Offer, slot: int) -> bool:
        """Whether the renewable share is high enough in the slot."""
        share = self.power_of(offer, slot)[0]
        return wanted.renewable_share is None or wanted.renewable_share <= _or_minus_one(share)

    def low(self, wanted: Alternative, offer: Offer, slot: int) -> bool:
        """Whether the carbon intensity is low enough in the slot."""
        carbon = self.power_of(offer, slot)[1]
        return wanted.carbon is None or (carbon is not None and carbon <= wanted.carbon)

    def power_of(self, offer: Offer, slot: int) -> tuple[int | None, int | None]:
        """The renewable share and the carbon intensity where and when it is."""
        site = next(each for each in self.snapshot.sites if each.id == offer.site)
        own = [each for each in self.snapshot.site_hours if each.site == offer.site]
        shares = own[0].renewable_share if own else ()
        carbons = own[0].carbon if own else ()
        return shares[slot] if shares else site.renewable_share, carbons[slot] if carbons else site.carbon

    def powered(self, wanted: Alternative, offer: Offer, slots: range) -> bool:
        """Whether every slot has the power that is asked for."""
        return all(self.green(wanted, offer, slot) and self.low(wanted, offer, slot) for slot in slots)

    def highest_carbon(self) -> int:
        stated = [each.carbon for each in self.snapshot.sites if each.carbon is not None]
        return max([0, *stated, *(carbon for each in self.snapshot.site_hours for carbon in each.carbon)])

    def free(self, offer: Offer, slot: int) -> int:
        position = slot - offer.first_slot
        return offer.free[position] if 0 <= position < len(offer.free) else 0

    def most(self, offer: Offer, slots: range) -> int:
        """Cards that the offer has free in each of these slots."""
        return min(self.free(offer, slot) for slot in slots)

    # What an order is worth and costs

    def worth(self, request: Request, wanted: Alternative, fill: Fill) -> int:
        scale = 1 if wanted.unit is Unit.CARDS else MICRO
        filled = self.filled(wanted, fill)
        if wanted.divisible:
            return wanted.limit * filled // scale * self.base(request.currency)
        return wanted.limit * filled // scale * wanted.duration * self.base(request.currency)

    def filled(self, wanted: Alternative, fill: Fill) -> int:
        """Units of the amount, or unit-hours of divisible work."""
        work = sum(
            each.cards * self.rate(wanted, self.offer(each)) * (each.slots if wanted.divisible else 1)
            for each in fill
        )
        if wanted.divisible:
            return min(work, wanted.amount * wanted.duration)
        if wanted.gangs > 1:
            gangs = sum(each.cards // self.gang(wanted, self.offer(each)) for each in fill)
            return wanted.amount * gangs // wanted.gangs
        return min(work, wanted.amount)

    def gang(self, wanted: Alternative, offer: Offer) -> int:
        """Cards of one gang, in whole lots."""
        part = _up(wanted.amount, wanted.gangs)
        return _up(_up(part, self.rate(wanted, offer)), offer.lot) * offer.lot

    def cost(self, placement: Placement) -> int:
        """What the owner asks."""
        offer = self.offer(placement)
        asks = sum(offer.asks[slot - offer.first_slot] for slot in slots_of(placement))
        return asks * placement.cards * self.base(self.currency(offer))

    def emission(self, placement: Placement) -> int:
        """What the emissions count for: each card-hour rounded up."""
        offer = self.offer(placement)
        power = next(each.power for each in self.snapshot.models if each.slug == offer.model)
        if power is None:
            power = max((each.power for each in self.snapshot.models if each.power is not None), default=0)
        carbons = [self.power_of(offer, slot)[1] for slot in slots_of(placement)]
        known = [self.highest_carbon() if carbon is None else carbon for carbon in carbons]
        return sum(_up(self.snapshot.carbon_price * power * each, 1_000) for each in known) * placement.cards

    # The ways to serve a request

    def options(self, request: Request) -> list[tuple[int, Fill]]:
        """The legal fills that add something to the objective, the best first."""
        valued = []
        for wanted in request.alternatives:
            for fill in self.fills(request, wanted):
                costs = sum(self.cost(each) + self.emission(each) for each in fill)
                valued.append((self.worth(request, wanted, fill) - costs, fill))
        return sorted((each for each in valued if each[0] > 0), key=lambda each: -each[0])

    def fills(self, request: Request, wanted: Alternative) -> Iterator[Fill]:
        """Every legal way to fill an alternative, as if nobody else were there."""
        if wanted.divisible:
            yield from self._schedules(request, wanted)
            return
        for first in range(wanted.earliest, wanted.deadline - wanted.duration + 1):
            slots = range(first, first + wanted.duration)
            offers = [
                each
                for each in self.snapshot.offers
                if self.suits(wanted, each)
                and each.minimum_duration <= wanted.duration
                and self.powered(wanted, each, slots)
            ]
            lots = [range(0, self.most(offer, slots) + 1, offer.lot) for offer in offers]
            for cards in product(*lots):
                fill = tuple(
                    Placement(request.id, wanted.position, offer.id, first, wanted.duration, number)
                    for offer, number in zip(offers, cards, strict=True)
                    if number
                )
                if fill and self._legal(request, wanted, fill):
                    yield fill

    def _legal(self, request: Request, wanted: Alternative, fill: Fill) -> bool:
        """For cards over the same slots, in whole lots, from offers that suit."""
        if wanted.gangs > 1:
            if any(each.cards % self.gang(wanted, self.offer(each)) for each in fill):
                return False
            gangs = sum(each.cards // self.gang(wanted, self.offer(each)) for each in fill)
            return _up(wanted.gangs * request.least, MICRO) <= gangs <= wanted.gangs
        if wanted.gangs == 1 and len(fill) > 1:
            return False
        capability = sum(each.cards * self.rate(wanted, self.offer(each)) for each in fill)
        return capability * MICRO >= wanted.amount * request.least and all(
            capability - self.offer(each).lot * self.rate(wanted, self.offer(each)) < wanted.amount
            for each in fill
        )

    def _schedules(self, request: Request, wanted: Alternative) -> Iterator[Fill]:
        """For divisible work: any number of lots of any offer in any slot of the window."""
        window = range(wanted.earliest, wanted.deadline)
        offers = [each for each in self.snapshot.offers if self.suits(wanted, each)]
        plans = [list(self._plans(wanted, offer, window)) for offer in offers]
        for chosen in product(*plans):
            runs = {offer.id: runs_of(plan, window.start) for offer, plan in zip(offers, chosen, strict=True)}
            if self._legal_schedule(request, wanted, runs):
                yield self._fill(request, wanted, runs)

    def _plans(self, wanted: Alternative, offer: Offer, window: range) -> Iterator[tuple[int, ...]]:
        """Cards by slot, whose runs of equal cards are all long enough."""
        there = [
            self.free(offer, slot) * self.powered(wanted, offer, range(slot, slot + 1)) for slot in window
        ]
        lots = [range(0, cards + 1, offer.lot) for cards in there]
        for plan in product(*lots):
            if all(length >= offer.minimum_duration for _, length, _ in runs_of(plan, window.start)):
                yield plan

    def _legal_schedule(self, request: Request, wanted: Alternative, runs: dict[int, list[Run]]) -> bool:
        work = wanted.amount * wanted.duration
        done = self._done(request, wanted, runs)
        if done == 0 or min(done, work) * MICRO < work * request.least:
            return False
        if not self._goes_on(wanted, runs):
            return False
        return not any(
            self._done(request, wanted, less) >= work and self._goes_on(wanted, less)
            for less in self._with_a_little_less(runs)
        )

    def _done(self, request: Request, wanted: Alternative, runs: dict[int, list[Run]]) -> int:
        fill = self._fill(request, wanted, runs)
        return sum(each.cards * each.slots * self.rate(wanted, self.offer(each)) for each in fill)

    def _goes_on(self, wanted: Alternative, runs: dict[int, list[Run]]) -> bool:
        held = {
            slot for own in runs.values() for first, length, _ in own for slot in range(first, first + length)
        }
        return wanted.interruptible or held == set(range(min(held), max(held) + 1))

    def _with_a_little_less(self, runs: dict[int, list[Run]]) -> Iterator[dict[int, list[Run]]]:
        """Without one lot of one run, or without the first or the last hour of one run."""
        for offer in (each for each in self.snapshot.offers if each.id in runs):
            for number, (first, length, cards) in enumerate(runs[offer.id]):
                others = runs[offer.id][:number] + runs[offer.id][number + 1 :]
                less = [(first, length, cards - offer.lot)] if cards > offer.lot else []
                yield {**runs, offer.id: others + less}
                if length > offer.minimum_duration:
                    yield {**runs, offer.id: [*others, (first + 1, length - 1, cards)]}
                    yield {**runs, offer.id: [*others, (first, length - 1, cards)]}

    def _fill(self, request: Request, wanted: Alternative, runs: dict[int, list[Run]]) -> Fill:
        return tuple(
            Placement(request.id, wanted.position, offer, first, length, cards)
            for offer, own in sorted(runs.items())
            for first, length, cards in own
        )

    # What all orders must keep together

    def possible(self, placed: Sequence[Placement]) -> bool:
        """Whether the cards are there, and every choice, owner cap and power cap is kept."""
        sold = Counter[tuple[int, int]]()
        for each in placed:
            for slot in slots_of(each):
                sold[each.offer, slot] += each.cards
        return (
            all(self.free(offer, slot) >= sold[offer.id, slot] for offer, slot in self._cells())
            and all(self._within_choice(placed, each.requests, each.most) for each in self.snapshot.choices)
            and all(
                self._taken(placed, each.buyer, each.owner) <= each.card_hours
                for each in self.snapshot.owner_caps
            )
            and all(
                self._drawn(sold, site.id, slot) <= cap
                for site in self.snapshot.sites
                for slot, cap in enumerate(site.power_cap)
            )
        )

    def _cells(self) -> Iterator[tuple[Offer, int]]:
        return product(self.snapshot.offers, range(self.snapshot.slots))

    def _within_choice(self, placed: Sequence[Placement], requests: tuple[int, ...], most: int) -> bool:
        return len({each.request for each in placed if each.request in requests}) <= most

    def _taken(self, placed: Sequence[Placement], buyer: int, owner: int) -> int:
        owned = {site.id for site in self.snapshot.sites if site.owner == owner}
        return sum(
            each.cards * each.slots
            for each in placed
            if self.request(each).buyer == buyer and self.offer(each).site in owned
        )

    def _drawn(self, sold: Counter[tuple[int, int]], site: int, slot: int) -> int:
        power = {model.slug: model.power or 0 for model in self.snapshot.models}
        here = [offer for offer in self.snapshot.offers if offer.site == site]
        return sum(sold[offer.id, slot] * power[offer.model] for offer in here)

    # What everybody pays

    def floors(self, placed: Sequence[Placement]) -> dict[tuple[Product, int], int]:
        """The highest accepted ask of each product and slot that is sold."""
        floors = Counter[tuple[Product, int]]()
        for each in placed:
            offer = self.offer(each)
            for slot in slots_of(each):
                key = (self.product(offer), slot)
                floors[key] = max(floors[key], offer.asks[slot - offer.first_slot])
        return dict(floors)

    def affordable(self, placed: Sequence[Placement]) -> bool:
        """Whether at the floors every buyer is within its limit, and every budget is kept."""
        paid = self.payments(placed, self.floors(placed))
        for request in self.snapshot.requests:
            fill = tuple(each for each in placed if each.request == request.id)
            if fill and paid[request.id] > self.worth(request, self.wanted(fill[0]), fill):
                return False
        return all(
            sum(paid[request] for request in budget.requests) <= budget.amount * self.base(budget.currency)
            for budget in self.snapshot.budgets
        )

    def payments(self, placed: Sequence[Placement], prices: dict[tuple[Product, int], int]) -> Counter[int]:
        """What each request pays at these prices."""
        paid = Counter[int]()
        for each in placed:
            own = self.product(self.offer(each))
            hourly = sum(prices[own, slot] for slot in slots_of(each))
            paid[each.request] += hourly * each.cards * self.base(own[2])
        return paid


def runs_of(plan: Sequence[int], start: int) -> list[Run]:
    """The longest runs of equal cards, of slots that have any."""
    runs, first = [], start
    for cards, group in groupby(plan):
        length = len(list(group))
        if cards:
            runs.append((first, length, cards))
        first += length
    return runs


def slots_of(placement: Placement) -> range:
    return range(placement.first_slot, placement.first_slot + placement.slots)


def _or_minus_one(fact: int | None) -> int:
    return -1 if fact is None else fact


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
