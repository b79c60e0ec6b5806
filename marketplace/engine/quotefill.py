"""The cheapest fill of one shape that the offers of a ``QuoteBook`` allow, as if nobody else were buying.

Offers are ranked by their cheapest run. A fill is then composed of the most promising of them at a few first
slots, and its cost is exact: the dearest offer of a product that is used sets the price of that product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from marketplace.engine import windows
from marketplace.engine.facts import Floats, Ints, Mask
from marketplace.engine.quotebook import QuoteBook
from marketplace.engine.snapshot import MICRO
from marketplace.engine.want import Want

Take = tuple[int, int]
"""A row of the book and a number of its cards."""

ROWS_AT_ONCE = 1024
"""Offers whose runs are looked at together: what that takes stays in the processor's cache."""

FEWEST_CANDIDATES = 32
STARTS_TRIED = 4

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Cost:
    """A fill and what it costs.

    ``paid`` is in micro-units of the request's currency, rounded up; ``unit`` the same for one unit of the
    amount (card or whole nP) and one hour. ``filled`` is in units of the amount, or unit-hours of divisible
    work. ``takes`` are ids of offers and cards, over ``slots`` from ``first_slot``.
    """

    paid: int
    unit: int
    filled: int
    first_slot: int
    slots: int
    takes: tuple[Take, ...]
    within_limit: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A way for cards to come together: ``need`` units at once over ``slots``, at least ``least``.

    A unit is one of the amount that ``want`` asks for; where there are several gangs, it is a gang. ``part``
    is what each place has to do alone: a gang, or as much of one as will do; 0 where there are none.
    """

    want: Want
    slots: int
    need: int
    least: int
    part: int = 0

    @property
    def worth(self) -> float:
        """What a unit is worth at the limit over all of the slots, in micro-units of the base currency."""
        return self.want.alternative.limit * self.hours

    @property
    def hours(self) -> float:
        """A price per unit and hour, times this, is that of a unit over all slots, in the base currency."""
        units = self.want.amount / self.want.alternative.gangs if self._in_gangs else 1
        return units / self.want.scale * self.slots * self.want.base / MICRO

    @property
    def _in_gangs(self) -> bool:
        return self.want.alternative.gangs > 1

    def steps(self, book: QuoteBook, rows: Ints) -> tuple[Ints, Ints]:
        """The cards of the smallest step in which each offer can be used, and the units that it does."""
        rates = book.facts.yields(self.want)[rows]
        if not self.part:
            lots = book.facts.lot[rows]
            return lots, lots * rates
        cards = windows.needs(book.facts, self.want, rows, self.part)
        if self._in_gangs:
            return cards, np.ones(rows.size, dtype=np.int64)
        return cards, np.minimum(cards * rates, self.want.amount)

    def filled(self, units: int) -> int:
        """What so many units at once fill, as ``Want`` counts it."""
        if self._in_gangs:
            return self.want.amount * min(units, self.need) // self.need
        return self.want.filled(units, self.slots)


def shapes(want: Want, least: int) -> Iterator[Shape]:
    """The ways to serve a want of which ``least`` ppm may be filled.

    Of one gang that need not be whole, the smallest part is a way of its own.
    """
    alternative, amount = want.alternative, want.amount
    if alternative.divisible:
        for slots in _lengths(alternative.duration, alternative.deadline - alternative.earliest):
            yield Shape(want, slots, -(-want.whole // slots), -(-want.least_whole // slots))
    elif not alternative.gang:
        yield Shape(want, alternative.duration, amount, want.least)
    elif alternative.gangs > 1:
        gangs = alternative.gangs
        yield Shape(want, alternative.duration, gangs, -(-gangs * least // MICRO), part=want.smallest_use)
    else:
        for part in dict.fromkeys((amount, want.least)):
            yield Shape(want, alternative.duration, part, part, part=part)


def _lengths(duration: int, window: int) -> list[int]:
    """Runs about as long as asked for, and all of the window."""
    about = (-(-duration // 2), duration, 2 * duration)
    return sorted({min(length, window) for length in about} | {window})


class Search:
    """Looks for fills of one shape from ``rows``.

    ``cheapest`` is what a unit that is needed costs in each row's cheapest run, in micro-units of the base
    currency; ``NEVER`` where the offer has no step free in any run.
    """

    def __init__(self, book: QuoteBook, shape: Shape, rows: Ints) -> None:
        self.shape = shape
        self.rows = rows
        self._book = book
        alternative = shape.want.alternative
        self._first, self._end = alternative.earliest, alternative.deadline
        self._steps, self._units = shape.steps(book, rows)
        self._useful = self._units if shape.part else np.minimum(self._units, shape.need)
        self.cheapest = np.full(rows.size, NEVER)
        enough = (book.peak[rows] >= self._steps) & (book.facts.minimum[rows] <= shape.slots)
        usable = np.flatnonzero(enough)
        for start in range(0, usable.size, ROWS_AT_ONCE):
            some = usable[start : start + ROWS_AT_ONCE]
            self.cheapest[some] = self._unit_costs(some, self._steps_free(some)).min(axis=1)

    def _steps_free(self, some: Ints) -> Ints:
        """Steps free over each whole run, by candidate and first slot."""
        free = self._book.sellable(self.shape.want, self.rows[some], self._first, self._end)
        return np.asarray(windows.smallest(free, self.shape.slots) // self._steps[some, None])

    def _card_costs(self, some: Ints) -> Floats:
        """What a card costs over each whole run."""
        before = self._book.before[self.rows[some], self._first : self._end + 1]
        return np.asarray(before[:, self.shape.slots :] - before[:, : -self.shape.slots])

    def prices(self, some: Ints) -> Floats:
        """What a unit and hour costs in each row's cheapest run, as ``Cost.unit``."""
        return np.asarray(self.cheapest[some] / self.shape.hours)

    def within(self, some: Ints, first: int, end: int) -> Mask:
        """Which rows cost no more than the limit over these hours."""
        rows = self.rows[some]
        card = self._book.before[rows, end] - self._book.before[rows, first]
        return np.asarray(card * (self._steps[some] / self._useful[some]) <= self.shape.worth)

    def _unit_costs(self, some: Ints, steps_free: Ints) -> Floats:
        costs = self._card_costs(some) * (self._steps[some] / self._useful[some])[:, None]
        return np.where(steps_free > 0, costs, NEVER)

    def cost(self, allowed: Mask) -> Cost | None:
        """The fullest, then cheapest fill that is found from the rows that are allowed."""
        ranked = np.flatnonzero(allowed & (self.cheapest < NEVER))
        ranked = ranked[np.argsort(self.cheapest[ranked], kind="stable")]
        found = None
        for some in self._growing(ranked):
            found = self._from(some)
            if found is not None and found.filled >= self.shape.filled(self.shape.need):
                break
        return found

    def _growing(self, ranked: Ints) -> Iterator[Ints]:
        """The best candidates: several times what is needed, then more of them, then all."""
        most = self._book.peak[self.rows[ranked]] // self._steps[ranked] * self._units[ranked]
        there = np.cumsum(np.minimum(most, self.shape.need))
        number = max(FEWEST_CANDIDATES, int(np.searchsorted(there, 3 * self.shape.need)) + 1)
        while number < ranked.size:
            yield ranked[:number]
            number *= 8
        if ranked.size:
            yield ranked

    def _from(self, some: Ints) -> Cost | None:
        """The best fill from these candidates, at the first slots that promise most."""
        steps_free = self._steps_free(some)
        unit_costs = self._unit_costs(some, steps_free)
        tried = [
            self._quote(int(start), takes)
            for start in _best_starts(unit_costs, steps_free * self._units[some, None], self.shape)
            for takes in self._fills(some, unit_costs[:, start], steps_free[:, start])
        ]
        return max(tried, key=lambda cost: (cost.filled, -cost.paid), default=None)

    def _fills(self, some: Ints, unit_costs: Floats, steps_free: Ints) -> Iterator[list[Take]]:
        """At one first slot: the cheapest units of all, and everything from one offer."""
        steps, units, need = self._steps[some], self._units[some], self.shape.need
        order = np.argsort(unit_costs, kind="stable")
        order = order[steps_free[order] > 0]
        mix = _compose(order.tolist(), steps_free, units, need)
        yield [(int(self.rows[some[index]]), number * int(steps[index])) for index, number in mix]
        alone = -(-need // units)
        costs = np.where(steps_free >= alone, unit_costs * self._useful[some] * alone, NEVER)
        index = int(costs.argmin())
        if costs[index] < NEVER:
            yield [(int(self.rows[some[index]]), int(alone[index] * steps[index]))]

    def _quote(self, start: int, takes: list[Take]) -> Cost:
        want, slots = self.shape.want, self.shape.slots
        first_slot = self._first + start
        paid = self._paid(takes, slice(first_slot, first_slot + slots))
        filled = self.shape.filled(self._units_of(takes))
        hours = filled if want.alternative.divisible else filled * slots
        return Cost(
            paid=-(-paid // want.base),
            unit=-(-paid * want.scale // (want.base * hours)),
            filled=filled,
            first_slot=first_slot,
            slots=slots,
            takes=tuple((int(self._book.facts.offer_id[row]), cards) for row, cards in takes),
            within_limit=paid <= want.worth(filled),
        )

    def _units_of(self, takes: Iterable[Take]) -> int:
        rows, cards = (np.array(column, dtype=np.int64) for column in zip(*takes, strict=True))
        steps, units = self.shape.steps(self._book, rows)
        return int(np.sum(cards // steps * units))

    def _paid(self, takes: Iterable[Take], span: slice) -> int:
        """In pico."""
        facts = self._book.facts
        prices: dict[int, Ints] = {}
        sold: dict[int, int] = {}
        for row, cards in takes:
            product, hourly = int(facts.product[row]), self._book.hourly[row, span].astype(np.int64)
            prices[product] = np.maximum(prices[product], hourly) if product in prices else hourly
            sold[product] = sold.get(product, 0) + cards
        return sum(
            int(prices[product].sum()) * cards * facts.product_base[product]
            for product, cards in sold.items()
        )


def _best_starts(unit_costs: Floats, units_free: Ints, shape: Shape) -> Ints:
    """First slots at which enough is free, the fullest first, then those with the cheapest mix."""
    order = np.argsort(unit_costs, axis=0, kind="stable")
    parts = np.take_along_axis(units_free, order, axis=0)
    used = np.clip(shape.need - (np.cumsum(parts, axis=0) - parts), 0, parts)
    costs = np.take_along_axis(unit_costs, order, axis=0)
    total = (used * np.where(used > 0, costs, 0)).sum(axis=0)
    filled = used.sum(axis=0)
    ranked = np.lexsort((total, -filled))
    return np.asarray(ranked[filled[ranked] >= shape.least][:STARTS_TRIED], dtype=np.int64)


def _compose(order: list[int], steps_free: Ints, units: Ints, need: int) -> list[Take]:
    """Candidates and steps, the cheapest unit first, until the need is met; nothing that is not needed."""
    chosen: list[Take] = []
    missing = need
    for index in order:
        if missing <= 0:
            break
        steps = min(int(steps_free[index]), -(-missing // int(units[index])))
        chosen.append((index, steps))
        missing -= steps * int(units[index])
    kept: list[Take] = []
    for index, steps in reversed(chosen):
        back = min(max(-missing, 0) // int(units[index]), steps)
        missing += back * int(units[index])
        if steps > back:
            kept.append((index, steps - back))
    return kept
