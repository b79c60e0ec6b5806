"""What a refused want lost against: the least that it would have paid at the clearing prices.

Every offer that fits is looked at, as it was before the run, in every run of the window; an hour costs the
clearing price, or the ask where that is higher. For each kind of offer the cheapest run is found; which
kind is the cheapest is then decided in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marketplace.engine.asked import Asked, Kinds, in_groups
from marketplace.engine.budgets import cards_needed
from marketplace.engine.columns import NEVER, Bytes, powers
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Facts, Ints, round_up
from marketplace.engine.shelf import Runs, Shelf, cheapest_price, cheapest_run, runs, shelves
from marketplace.engine.want import Want
from marketplace.engine.windows import running

TOGETHER = 1_024
"""Wants whose cheapest runs are kept at a time."""

NEARLY = 1 + 1e-9
"""Costs that differ by more than this are told apart in floating point."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The lowest price of a unit-hour, in micro-units of the want's currency rounded up.

    ``gain`` is what having everything at one offer would have gained in pico, 0 where that cannot be.
    """

    price: int
    gain: int


class _Products(NamedTuple):
    """Products by number: their rows (``first[p]`` to before ``first[p + 1]``), model and currency, and
    running totals of the clearing prices."""

    first: Ints
    model: Ints
    base: Ints
    total: Ints


def losses(
    facts: Facts, wants: Sequence[Want], asked: Asked, kinds: Kinds, fitting: Bytes, prices: Ints
) -> list[Loss | None]:
    """By want; ``None`` where no offer fits. ``prices`` are the clearing prices by (product, slot)."""
    products = _products(facts, prices)
    costs = np.maximum(facts.asks, prices[facts.product])
    by_power = shelves(facts, facts.free, costs, powers(facts, wants))
    in_parts = [0 if _in_parts(want) or _alike(want) else want.amount for want in wants]
    whole = np.array(in_parts, dtype=np.int64)
    found: list[Loss | None] = [None] * len(wants)
    hours_of = np.where(asked.divisible == 1, 1, asked.duration)
    for (power, hours), group in _in_runs(asked.power, hours_of):
        shelf = by_power[power]
        measured = runs(shelf, np.full_like(facts.minimum, hours))
        for start in range(0, group.size, TOGETHER):
            numbers = group[start : start + TOGETHER]
            paid = [
                _cheapest(asked, numbers, units, kinds, shelf, measured, fitting, products)
                for units in (asked.use, whole)
            ]
            for number, of_use, of_whole in zip(numbers.tolist(), *paid, strict=True):
                want = wants[number]
                found[number] = _loss(want, of_use, of_use if _alike(want) else of_whole)
    return found


def _in_runs(power: Ints, hours: Ints) -> Iterator[tuple[tuple[int, int], Ints]]:
    """Wants that ask for the same power and equally long runs."""
    for number, among in in_groups(power):
        for length, places in in_groups(hours[among]):
            yield (number, length), among[places]


def _products(facts: Facts, prices: Ints) -> _Products:
    first = np.flatnonzero(np.diff(facts.product, prepend=-1, append=-1)).astype(np.int64)
    return _Products(first, facts.model_number[first[:-1]], facts.base[first[:-1]], running(prices))


def _in_parts(want: Want) -> bool:
    """Whether nobody says what all of it would gain at one offer."""
    return want.alternative.divisible or want.alternative.gangs > 1


def _alike(want: Want) -> bool:
    """Whether an offer that is of use can only do everything."""
    return not _in_parts(want) and want.smallest_use == want.amount


Paid = list[tuple[int, int]]
"""What the cards of some kinds of offer cost together, in pico, and the units that they do."""


def _loss(want: Want, of_use: Paid, of_whole: Paid) -> Loss | None:
    if not of_use:
        return None
    hours = 1 if want.alternative.divisible else want.alternative.duration
    price = min(
        -(-paid * want.scale // (min(units, want.whole) * hours * want.base)) for paid, units in of_use
    )
    gain = max((want.worth(want.amount) - paid for paid, _ in of_whole), default=0)
    return Loss(price, max(gain, 0))


def _cheapest(
    asked: Asked,
    numbers: Ints,
    units: Ints,
    kinds: Kinds,
    shelf: Shelf,
    runs: Runs,
    fitting: Bytes,
    products: _Products,
) -> list[Paid]:
    """By want, what it would pay for so many units at the kinds of offer that are the cheapest or nearly."""
    costs = np.full((numbers.size, kinds.lot.size), NEVER)
    _sweep(asked, numbers, units, kinds, shelf, runs, fitting, products, costs)
    rate = np.maximum(asked.rate[numbers][:, kinds.model], 1)
    cards = round_up(-(-units[numbers][:, None] // rate), kinds.lot)
    does = np.clip(cards * rate, 1, asked.whole[numbers][:, None])
    each = cards.astype(np.float64) * kinds.base / does
    ratios = np.where(costs < NEVER, costs * each, np.inf)
    near = (ratios <= ratios.min(axis=1, initial=np.inf, keepdims=True) * NEARLY) & (costs < NEVER)
    found: list[Paid] = [[] for _ in range(numbers.size)]
    for place, kind in np.argwhere(near).tolist():
        number = int(cards[place, kind])
        paid = int(costs[place, kind]) * number * int(kinds.base[kind])
        found[place].append((paid, number * int(rate[place, kind])))
    return found


@compiled
def _sweep(
    asked: Asked,
    numbers: Ints,
    units: Ints,
    kinds: Kinds,
    shelf: Shelf,
    runs: Runs,
    fitting: Bytes,
    products: _Products,
    costs: Ints,
) -> None:
    """Fill in what a card costs over the cheapest run that has the cards for so many units.

    Kinds of offer that are clearly not the cheapest are left out.
    """
    rows = np.empty(runs.slots.size, dtype=np.int64)
    lowest = np.empty(products.base.size, dtype=np.int64)
    for place in range(numbers.size):
        want = numbers[place]
        if units[want] == 0:
            continue
        promising = _bounds(asked, want, runs.slots[0], fitting[want], products, lowest)
        best = np.inf
        for turn in range(-1, lowest.size):
            number = promising if turn < 0 else turn
            if number < 0 or turn == promising or lowest[number] == NEVER:
                continue
            rate, base = asked.rate[want, products.model[number]], products.base[number]
            if lowest[number] * (base / rate) <= best * NEARLY:
                found = _of_product(products.first, number, fitting[want], rows)
                best = _of_rows(
                    asked,
                    want,
                    units[want],
                    kinds,
                    shelf,
                    runs,
                    rows[:found],
                    lowest[number],
                    costs[place],
                    best,
                )


@compiled
def _bounds(asked: Asked, want: int, slots: int, fitting: Bytes, products: _Products, lowest: Ints) -> int:
    """By product: what a run costs at least, ``NEVER`` if no offer fits; the cheapest by unit, or -1."""
    earliest, deadline = asked.earliest[want], asked.deadline[want]
    best, found = np.inf, -1
    for number in range(lowest.size):
        lowest[number] = NEVER
        rate, base = asked.rate[want, products.model[number]], products.base[number]
        if rate == 0 or not _some(fitting, products.first[number], products.first[number + 1]):
            continue
        lowest[number] = cheapest_price(products.total[number], earliest, deadline, slots)
        if lowest[number] * (base / rate) < best:
            best, found = lowest[number] * (base / rate), number
    return found


@compiled
def _some(bits: Bytes, first: int, end: int) -> bool:
    """Whether any bit is set in the bytes of these rows."""
    return bool(bits[first >> 3 : (end + 7) >> 3].any())


@compiled
def _of_product(first: Ints, number: int, bits: Bytes, rows: Ints) -> int:
    """Write the rows of a product whose bit is set; how many they are."""
    count = 0
    for row in range(first[number], first[number + 1]):
        if bits[row >> 3] & (128 >> (row & 7)):
            rows[count] = row
            count += 1
    return count


@compiled
def _of_rows(
    asked: Asked,
    want: int,
    units: int,
    kinds: Kinds,
    shelf: Shelf,
    runs: Runs,
    rows: Ints,
    lowest: int,
    costs: Ints,
    best: float,
) -> float:
    """Look at the offers of one product, in which no run costs less than ``lowest``; the best cost of a
    unit so far."""
    first, last, total = shelf.first, shelf.end, shelf.total
    pieces, begins, held = shelf.pieces, shelf.begins, shelf.cards
    slots_of, least, room = runs.slots, runs.least, runs.room
    kind_of, lots, base, model = kinds.of, kinds.lot, kinds.base, kinds.model
    earliest, deadline = asked.earliest[want], asked.deadline[want]
    for index in range(rows.size):
        row = rows[index]
        kind, bound = kind_of[row], max(least[row], lowest)
        rate = asked.rate[want, model[kind]]
        cards = cards_needed(units, rate, lots[kind])
        each = float(cards) * base[kind] / min(cards * rate, asked.whole[want])
        if bound >= costs[kind] or room[row] < cards or bound * each > best * NEARLY:
            continue
        one, other = pieces[row], pieces[row + 1]
        costs[kind] = cheapest_run(
            begins[one:other],
            held[one:other],
            total[row],
            max(first[row], earliest),
            min(last[row], deadline),
            slots_of[row],
            cards,
            costs[kind],
            bound,
        )
        if costs[kind] < NEVER:
            best = min(best, costs[kind] * each)
    return best
