"""The few offers that are worth trying for each want, found in one sweep over what is left.

A sweep is a guide and decides nothing: what it proposes is tried exactly before anything is said about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketplace.engine.asked import Kinds, Shapes, in_groups
from marketplace.engine.book import Book
from marketplace.engine.budgets import card_budget, cards_needed
from marketplace.engine.columns import NEVER, Bytes, numbers_of_powers, powers
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Floats, Ints
from marketplace.engine.shelf import (
    Runs,
    Shelf,
    cheapest_run,
    earliest_run,
    largest_run,
    left_shelf,
    members,
    runs,
)
from marketplace.engine.validation import MAX_CARDS
from marketplace.engine.want import Want

MOST = 8
"""Offers that are proposed for a shape."""

CHEAPEST, AFFORDABLE, LARGEST, EARLIEST = 0, 1, 2, 3
"""What is looked for: a run that costs least whatever the limit; the same within the limit; the most cards
within the limit; the run within the limit that ends first after the deadline."""


class Goods(NamedTuple):
    """Offers as they are left: by row their kind and the least number of slots that they are sold for.

    ``rate`` (wants, models) is what a card does for a want.
    """

    shelf: Shelf
    kinds: Kinds
    minimum: Ints
    rate: Ints


class Sought(NamedTuple):
    """Whom to look for: shapes by number, each among the offers with a bit in ``bits[among]``.

    Offers of a lower ``rank`` come first, and of equal rank those that are nearer to the goal.
    ``whatever_power`` is for whoever would give up what it asks of every hour.
    """

    shapes: Ints
    among: Ints
    bits: Bytes
    rank: Ints
    goal: int
    whatever_power: bool = False


class Promising(NamedTuple):
    """By shape sought: how many offers, their rows, the best first, and what they were ranked by."""

    number: Ints
    row: Ints
    rank: Ints


class Shop:
    """What is left for wants to look at, and what is known of its runs by their length.

    ``power`` is by want what it asks of every hour, as in ``Demand``; what is left for those who ask for it
    is on a shelf of its own.
    """

    def __init__(self, goods: Goods, shelves: Sequence[Shelf], power: Ints) -> None:
        self.power = power
        self._goods, self._shelves = goods, shelves
        self._runs: dict[tuple[int, int], tuple[Runs, Bytes]] = {}

    @classmethod
    def of_what_is_left(cls, book: Book, kinds: Kinds, wants: Sequence[Want]) -> Shop:
        """What a book has left of every offer, at what it would cost now; ``kinds`` are its facts'."""
        facts = book.facts
        costs = np.maximum(facts.asks, book.price[facts.product])
        rows, whole = np.arange(len(facts)), slice(0, facts.slots)
        opened = (facts.hourly.open(each, rows, whole) for each in powers(facts, wants))
        free = (book.free, *(np.where(each, book.free, 0) for each in opened))
        shelves = [left_shelf(each, costs) for each in free]
        goods = Goods(shelves[0], kinds, facts.minimum, facts.rate_table(wants))
        return cls(goods, shelves, numbers_of_powers(facts, wants))

    def goods(self, power: int) -> Goods:
        """What is left for those who ask for that power."""
        return self._goods._replace(shelf=self._shelves[power])

    def runs(self, slots: int, power: int) -> tuple[Runs, Bytes]:
        """The runs of that length, and one bit an offer: whether it has any that it is sold for."""
        if (slots, power) not in self._runs:
            minimum = self._goods.minimum
            found = runs(self._shelves[power], np.full_like(minimum, slots))
            some = (found.room > 0) & (found.slots >= minimum)
            self._runs[slots, power] = found, np.packbits(some)
        return self._runs[slots, power]

    def promising(self, shapes: Shapes, sought: Sought) -> Promising:
        size = sought.shapes.size
        found = Promising(
            np.zeros(size, dtype=np.int64),
            np.zeros((size, MOST), dtype=np.int64),
            np.zeros((size, MOST), dtype=np.int64),
        )
        powers_of = self.power[shapes.want[sought.shapes]] * (not sought.whatever_power)
        for power, among in in_groups(powers_of):
            for slots, own in in_groups(shapes.slots[sought.shapes[among]]):
                runs = self.runs(slots, power)
                _sweep(self.goods(power), *runs, shapes, sought, among[own], found)
        return found


@compiled
def _sweep(
    goods: Goods,
    runs: Runs,
    some: Bytes,
    shapes: Shapes,
    sought: Sought,
    places: Ints,
    found: Promising,
) -> None:
    kind_of, ranks, goal = goods.kinds.of, sought.rank, sought.goal
    slots_of, least, room, first = runs.slots, runs.least, runs.room, goods.shelf.first
    rows = np.empty(kind_of.size, dtype=np.int64)
    window = np.empty(goods.shelf.free.shape[1], dtype=np.int64)
    costs = np.empty(MOST)
    for place in places:
        shape = sought.shapes[place]
        cards_of, budget_of, weight_of = need(goods, shapes, shape, goal)
        for index in range(members(sought.bits[sought.among[place]] & some, 0, some.size, rows)):
            row = rows[index]
            kind = kind_of[row]
            if room[row] < cards_of[kind] or least[row] > budget_of[kind]:
                continue
            rank = ranks[row]
            if goal == LARGEST:
                rank = -_units(goods, shapes, shape, kind, room[row])
            elif goal == EARLIEST:
                rank = max(shapes.deadline[shape] + 1, first[row] + slots_of[row])
            if _worse(found, costs, place, rank, least[row] * weight_of[kind]):
                continue
            cards, budget = cards_of[kind], budget_of[kind]
            figure = _look(goods.shelf, shapes, shape, row, slots_of[row], cards, budget, goal, window)
            if figure == NEVER:
                continue
            cost = least[row]
            if goal == LARGEST:
                rank = -_units(goods, shapes, shape, kind, figure)
            elif goal == EARLIEST:
                rank = figure
            else:
                cost = figure
            _keep(found, costs, place, row, rank, cost * weight_of[kind])


@compiled
def need(goods: Goods, shapes: Shapes, shape: int, goal: int) -> tuple[Ints, Ints, Floats]:
    """By kind of offer: cards that the shape takes, what one may cost over a run, and how much that counts.

    Where the most cards are looked for it takes a lot.
    """
    kinds = goods.kinds
    cards_of, budget_of = np.full_like(kinds.lot, MAX_CARDS + 1), np.full_like(kinds.lot, NEVER)
    weight_of = np.zeros(kinds.lot.size)
    times, units, span, whole = (
        shapes.times[shape],
        shapes.units[shape],
        shapes.span[shape],
        shapes.whole[shape],
    )
    limit, scale, per = shapes.limit[shape], shapes.scale[shape], shapes.per[shape]
    for kind in range(kinds.lot.size):
        rate, lot, base = goods.rate[shapes.want[shape], kinds.model[kind]], kinds.lot[kind], kinds.base[kind]
        if rate == 0:
            continue
        cards = lot if goal == LARGEST else times * cards_needed(units, rate, lot)
        if cards > MAX_CARDS:
            continue
        cards_of[kind], weight_of[kind] = cards, float(cards) * base
        if goal != CHEAPEST:
            budget_of[kind] = card_budget(min(cards * rate * span, whole), cards, limit, scale, per, base)
    return cards_of, budget_of, weight_of


@compiled
def _units(goods: Goods, shapes: Shapes, shape: int, kind: int, cards: int) -> int:
    """What the whole lots among so many cards do at once, of what is wanted."""
    rate, lot = goods.rate[shapes.want[shape], goods.kinds.model[kind]], goods.kinds.lot[kind]
    units: int = min(cards // lot * lot * rate, shapes.whole[shape])
    return units


@compiled
def _look(
    shelf: Shelf,
    shapes: Shapes,
    shape: int,
    row: int,
    slots: int,
    cards: int,
    budget: int,
    goal: int,
    window: Ints,
) -> int:
    """What a card costs over the cheapest run, the end of the earliest, or the cards of the largest.

    ``NEVER`` where there is none.
    """
    one, other = shelf.pieces[row], shelf.pieces[row + 1]
    begins, held, total = shelf.begins[one:other], shelf.cards[one:other], shelf.total[row]
    start, end = max(shelf.first[row], shapes.earliest[shape]), shelf.end[row]
    if goal == EARLIEST:
        return earliest_run(begins, held, total, start, end, slots, cards, budget, shapes.deadline[shape])
    end = min(end, shapes.deadline[shape])
    if goal == LARGEST:
        found = largest_run(shelf.free[row], total, start, end, slots, budget, window)
        return found if found >= cards else NEVER
    above = min(budget, NEVER - 1) + 1
    cost = cheapest_run(begins, held, total, start, end, slots, cards, above, 0)
    return NEVER if cost == above else cost


@compiled
def _worse(found: Promising, costs: Floats, place: int, rank: int, cost: float) -> bool:
    """Whether there are enough offers already that are as good as that."""
    if found.number[place] < MOST:
        return False
    last = found.rank[place, MOST - 1]
    return bool(rank > last or (rank == last and cost >= costs[MOST - 1]))


@compiled
def _keep(found: Promising, costs: Floats, place: int, row: int, rank: int, cost: float) -> None:
    """Insert an offer behind those that are as good; the last one falls off."""
    if _worse(found, costs, place, rank, cost):
        return
    rows, ranks = found.row[place], found.rank[place]
    at = min(found.number[place], MOST - 1)
    while at > 0 and (ranks[at - 1] > rank or (ranks[at - 1] == rank and costs[at - 1] > cost)):
        rows[at], ranks[at], costs[at] = rows[at - 1], ranks[at - 1], costs[at - 1]
        at -= 1
    rows[at], ranks[at], costs[at] = row, rank, cost
    found.number[place] = min(found.number[place] + 1, MOST)
