"""What lower ask would have sold how much of an offer that a run left unsold.

A compiled sweep looks, for each offer, for the refused request that would have borne the highest flat ask:
one that the offer serves, over a run for which it has the cards left, so that the request stays within its
limit at the higher of that ask and the price that stands. That sale is then tried exactly, on the book as
the run left it but with that ask; where other buyers could not bear the price, the ask is lowered until
they can. Divisible work is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marketplace.engine.asked import Shapes, cards_for, in_groups, whole_shapes
from marketplace.engine.book import Book, Take
from marketplace.engine.columns import Bytes
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import FAR, Ints
from marketplace.engine.groups import Groups
from marketplace.engine.promising import AFFORDABLE, Goods, Shop, need
from marketplace.engine.result import LowerAsk
from marketplace.engine.shelf import Runs, Shelf, cheapest_price, members
from marketplace.engine.trial import Trial
from marketplace.engine.want import Want
from marketplace.engine.windows import running


class _Prices(NamedTuple):
    """Prices by (product, slot) with their running totals, and the product of each row."""

    hourly: Ints
    total: Ints
    of: Ints


class _Sales(NamedTuple):
    """By row, the best sale so far: the ask (0 where there is none), the shape and its first slot."""

    ask: Ints
    shape: Ints
    start: Ints


def lower_asks(
    book: Book, groups: Groups, shop: Shop, wants: Sequence[Want], profiles: Sequence[int], bits: Bytes
) -> dict[int, LowerAsk]:
    """By row of ``Facts``, for offers that have any; ``bits`` are by profile the offers that serve it."""
    facts = book.facts
    undivided = [number for number, want in enumerate(wants) if not want.alternative.divisible]
    shapes = whole_shapes([wants[number] for number in undivided], [profiles[number] for number in undivided])
    power = shop.power[undivided][shapes.want]
    prices = _Prices(book.price, running(book.price), facts.product)
    sales = _Sales(*(np.zeros(len(facts), dtype=np.int64) for _ in _Sales._fields))
    highest = _highest_asks(book)
    for number, among in in_groups(power):
        goods = shop.goods(number)
        goods = goods._replace(rate=goods.rate[undivided])
        for slots, own in in_groups(shapes.slots[among]):
            ordered = _dearest_first(goods, shapes, among[own])
            _sweep(goods, *shop.runs(slots, number), shapes, ordered, bits, prices, highest, sales)
    till = _Till(book, groups)
    found = {}
    for row in np.flatnonzero(sales.ask).tolist():
        shape = int(sales.shape[row])
        want = wants[undivided[shapes.want[shape]]]
        units, times = int(shapes.units[shape]), int(shapes.times[shape])
        cards = times * cards_for(facts, want, row, units)
        sale = _Sale(want, Take(row, cards, int(sales.start[row]), want.alternative.duration))
        sold_at = till.highest(sale, int(sales.ask[row]))
        if sold_at is not None:
            found[row] = LowerAsk(sold_at, cards * sale.take.slots)
    return found


def _highest_asks(book: Book) -> Ints:
    """By row: below the highest ask, and no more than what the offer sold for wherever it sold."""
    facts = book.facts
    prices = np.where(facts.free > book.free, book.price[facts.product], FAR)
    highest: Ints = np.minimum(facts.asks.max(axis=1, initial=0) - 1, prices.min(axis=1, initial=FAR))
    return highest


def _dearest_first(goods: Goods, shapes: Shapes, places: Ints) -> Ints:
    """Those first that bear the highest asks, roughly: then few others need a close look."""
    fastest = goods.rate[shapes.want[places]].max(axis=1, initial=1)
    worth = shapes.limit[places].astype(np.float64) * shapes.per[places] * fastest / shapes.scale[places]
    ordered: Ints = places[np.argsort(-worth, kind="stable")]
    return ordered


@compiled
def _sweep(
    goods: Goods,
    runs: Runs,
    some: Bytes,
    shapes: Shapes,
    places: Ints,
    bits: Bytes,
    prices: _Prices,
    highest: Ints,
    sales: _Sales,
) -> None:
    kind_of, asks, product = goods.kinds.of, sales.ask, prices.of
    slots_of, room = runs.slots, runs.room
    rows = np.empty(kind_of.size, dtype=np.int64)
    lowest = np.empty(prices.total.shape[0], dtype=np.int64)
    for shape in places:
        earliest, deadline, profile = shapes.earliest[shape], shapes.deadline[shape], shapes.profile[shape]
        cards_of, budget_of, _ = need(goods, shapes, shape, AFFORDABLE)
        lowest[:] = -1
        for index in range(members(bits[profile] & some, 0, some.size, rows)):
            row = rows[index]
            kind, number, slots = kind_of[row], product[row], slots_of[row]
            most = min(highest[row], budget_of[kind] // slots)
            if most <= asks[row] or room[row] < cards_of[kind]:
                continue
            if lowest[number] < 0:
                lowest[number] = cheapest_price(prices.total[number], earliest, deadline, slots)
            if lowest[number] <= budget_of[kind]:
                _look(
                    goods.shelf,
                    shapes,
                    shape,
                    row,
                    slots,
                    cards_of[kind],
                    budget_of[kind],
                    most,
                    prices,
                    sales,
                )


@compiled
def _look(
    shelf: Shelf,
    shapes: Shapes,
    shape: int,
    row: int,
    slots: int,
    cards: int,
    budget: int,
    most: int,
    prices: _Prices,
    sales: _Sales,
) -> None:
    """Note the sale of a run for which the request bears a higher ask than the best so far."""
    start, end = max(shelf.first[row], shapes.earliest[shape]), min(shelf.end[row], shapes.deadline[shape])
    hourly, total = prices.hourly[prices.of[row]], prices.total[prices.of[row]]
    free, unbroken = shelf.free[row], 0
    for slot in range(start, end):
        unbroken = unbroken + 1 if free[slot] >= cards else 0
        begun = slot + 1 - slots
        if unbroken < slots or total[slot + 1] - total[begun] > budget:
            continue
        ask = _bearable(hourly[begun : slot + 1], budget, sales.ask[row], most)
        if ask > sales.ask[row]:
            sales.ask[row], sales.shape[row], sales.start[row] = ask, shape, begun


@compiled
def _bearable(prices: Ints, budget: int, low: int, most: int) -> int:
    """The highest ask up to ``most`` at which a run costs no more than ``budget``, if above ``low``."""
    if _cost(prices, low + 1) > budget:
        return low
    high = most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _cost(prices, middle) <= budget:
            low = middle
        else:
            high = middle
    return low


@compiled
def _cost(prices: Ints, ask: int) -> int:
    cost = 0
    for price in prices:
        cost += max(price, ask)
    return cost


@dataclass(frozen=True, slots=True)
class _Sale:
    """Cards of one offer for a want."""

    want: Want
    take: Take


class _Till:
    """Tries sales on the book as the run left it, with another ask for one offer at a time."""

    def __init__(self, book: Book, groups: Groups) -> None:
        self._asks, self._book = book.facts.asks, copy(book)
        self._book.facts = copy(book.facts)
        self._book.facts.asks = self._asks.copy()
        self._trial = Trial(self._book, groups)

    def highest(self, sale: _Sale, ask: int) -> int | None:
        """The highest ask up to ``ask`` at which the sale hurts nobody; no ask is nothing."""
        return self._highest(sale, ask) or None

    def _highest(self, sale: _Sale, ask: int) -> int | None:
        if self._sells(sale, ask):
            return ask
        low, high = self._unnoticed(sale), ask
        if low >= high or not self._sells(sale, low):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._sells(sale, middle):
                low = middle
            else:
                high = middle
        return low

    def _unnoticed(self, sale: _Sale) -> int:
        """The highest ask that raises no price that anybody pays."""
        product, span = self._book.facts.product[sale.take.row], sale.take.span
        prices = self._book.price[product, span][self._book.sold[product, span] > 0]
        return int(prices.min(initial=FAR))

    def _sells(self, sale: _Sale, ask: int) -> bool:
        row = sale.take.row
        self._book.facts.asks[row] = ask
        fill = self._book.quote(sale.want, [sale.take])
        sells = self._trial.accepts(fill)
        self._book.facts.asks[row] = self._asks[row]
        return sells
