"""Fill a want from one offer: what a gang asks for.

For every offer the cheapest first slot is found by running totals over what a card costs in each
slot; the offers' best starts then queue up by what they cost, and the first one that hurts nobody
is taken. A fuller fill goes before a cheaper one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from marketplace.engine import windows
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.facts import FAR, Ints
from marketplace.engine.want import Want

Entry = tuple[int, int, int, int]
"""Minus the amount filled, payment in pico, first slot, and row."""


def search(book: Book, want: Want, rows: Ints) -> Fill | None:
    """The best fill of ``want`` from one of ``rows``, or ``None``."""
    for cards in _sizes(book, want, rows):
        fill = _Queue(book, want, rows, cards).first_tolerated()
        if fill is not None:
            return fill
    return None


def _sizes(book: Book, want: Want, rows: Ints) -> Iterator[Ints]:
    """Numbers of cards to ask of each offer: for everything, the most it has, the least."""
    everything = windows.needs(book.facts, want, rows, want.amount)
    yield everything
    if want.least == want.amount:
        return
    alternative = want.alternative
    span = slice(alternative.earliest, alternative.deadline)
    free = book.facts.sellable(book.free[rows, span], want, rows, span)
    lot = book.facts.lot[rows]
    most = windows.smallest(free, alternative.duration).max(axis=1) // lot * lot
    least = windows.needs(book.facts, want, rows, want.least)
    yield np.where(most >= least, np.minimum(most, everything), everything)
    yield least


class _Queue:
    """The runs of every offer that has ``cards`` within the limit, cheapest first."""

    def __init__(self, book: Book, want: Want, rows: Ints, cards: Ints) -> None:
        self._book, self._want = book, want
        alternative = want.alternative
        self._span = slice(alternative.earliest, alternative.deadline)
        free = book.facts.sellable(book.free[rows, self._span], want, rows, self._span)
        enough = windows.unbroken(free >= cards[:, None], alternative.duration)
        some = enough.any(axis=1)
        self._rows, self._cards = rows[some], cards[some]
        costs = windows.totals(book.costs(self._rows, self._span), alternative.duration)
        within = costs <= self._most_a_card()[:, None]
        self._costs = np.where(enough[some] & within, costs, FAR)
        self._thinned: set[int] = set()

    def _most_a_card(self) -> Ints:
        """What a card may cost over the run within the limit, and within what budgets have left."""
        facts, purse = self._book.facts, self._book.purse(self._want.request)
        most = windows.budgets(facts, self._want, self._rows, self._cards)
        if purse is None:
            return most
        weights = zip(self._cards.tolist(), facts.base[self._rows].tolist(), strict=True)
        left = [min(purse // (cards * base), FAR - 1) if cards else -1 for cards, base in weights]
        return np.minimum(most, np.array(left, dtype=np.int64))

    def first_tolerated(self) -> Fill | None:
        """The cheapest run that leaves every accepted buyer within its limit."""
        queue = [entry for index in range(self._rows.size) for entry in self._best(index)]
        heapq.heapify(queue)
        while queue:
            _, _, first_slot, index = heapq.heappop(queue)
            row, cards = int(self._rows[index]), int(self._cards[index])
            take = Take(row, cards, first_slot, self._want.alternative.duration)
            fill = self._book.quote(self._want, [take])
            if self._book.tolerates(fill):
                return fill
            self._drop_harmful(index, first_slot)
            for entry in self._best(index):
                heapq.heappush(queue, entry)
        return None

    def _best(self, index: int) -> Iterator[Entry]:
        start = int(self._costs[index].argmin())
        cost = int(self._costs[index, start])
        if cost != FAR:
            row, cards = self._rows[index], int(self._cards[index])
            paid = cost * cards * int(self._book.facts.base[row])
            filled = min(cards * int(self._book.facts.yields(self._want)[row]), self._want.amount)
            yield -filled, paid, self._span.start + start, index

    def _drop_harmful(self, index: int, first_slot: int) -> None:
        """Drop a start that hurts somebody, and the first time all that are known to at once."""
        self._costs[index, first_slot - self._span.start] = FAR
        if index in self._thinned:
            return
        self._thinned.add(index)
        row, duration = int(self._rows[index]), self._want.alternative.duration
        harmless = self._book.tolerated_starts(row, self._span, duration)
        self._costs[index] = np.where(harmless, self._costs[index], FAR)
