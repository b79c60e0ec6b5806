"""Would this have been placed? Tried exactly, on the book as a run left it, with a few offers.

What is found here is what a run would have accepted after all others: the cards are free, everybody stays
within its limit at the prices that would then hold, and no group is broken. The book stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from marketplace.engine import windows
from marketplace.engine.asked import Way, ways
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.facts import FAR, Ints, round_up
from marketplace.engine.groups import Groups
from marketplace.engine.result import Constraint
from marketplace.engine.search import find
from marketplace.engine.validation import MAX_MONEY, MAX_PICO
from marketplace.engine.want import Want


class Trial:
    """Tries wants on what a run left."""

    def __init__(self, book: Book, groups: Groups) -> None:
        self._book, self._groups = book, groups

    def find(self, want: Want, rows: Ints) -> Fill | None:
        """The fullest, then cheapest fill from ``rows`` that the book allows; groups are not looked at."""
        if is_searched_for(want):
            return find(self._book, want, rows)
        fills = self._at_one_offer(want, rows)
        return max(fills, key=lambda fill: (fill.filled, fill.gain), default=None)

    def works(self, want: Want, rows: Ints) -> bool:
        fill = self.find(want, rows)
        return fill is not None and self.held_back_by(fill) is None

    def held_back_by(self, fill: Fill) -> Constraint | None:
        """The group that has too little left for the fill."""
        return self._groups.broken_by(fill)

    def sufficient_limits(self, want: Want, rows: Ints) -> list[int]:
        """Limits at which the least that may be filled can be paid for at ``rows``, the lowest first.

        The second one, if any, is that which the dearest part of a mix needs alone.
        """
        highest = min(MAX_MONEY, MAX_PICO // want.base)
        unlimited = want.with_limit(highest)
        if not is_searched_for(want):
            fills = self._at_one_offer(unlimited, rows)
            limits = [want.limit_for(fill.paid, fill.filled) for fill in fills]
            return [limit for limit in sorted(limits)[:1] if limit <= highest]
        fill = find(self._book, unlimited.with_amount(want.least), rows)
        if fill is None:
            return []
        overall = self._limit_for(want, fill.first_slot, fill.takes)
        dearest = max(self._limit_for(want, fill.first_slot, [take]) for take in fill.takes)
        return [limit for limit in sorted({overall, max(overall, dearest)}) if limit <= highest]

    def _limit_for(self, want: Want, first_slot: int, takes: Iterable[Take]) -> int:
        quote = self._book.quote(want, first_slot, takes)
        return want.limit_for(quote.paid, quote.filled)

    def _at_one_offer(self, want: Want, rows: Ints) -> Iterator[Fill]:
        """For each of ``rows`` and each way, the cheapest run that hurts nobody, if it is within the limit."""
        for way in dict.fromkeys((*ways(want, whole=True), *ways(want))):
            for row in rows.tolist():
                fill = self._cheapest_run(want, row, *self._size(want, row, way))
                if fill is not None and fill.filled >= want.least_whole and fill.gain >= 0:
                    yield fill

    def _size(self, want: Want, row: int, way: Way) -> tuple[int, int]:
        """Cards and slots; of divisible work no more than it needs."""
        facts = self._book.facts
        rate, lot = int(facts.yields(want)[row]), int(facts.lot[row])
        cards, slots = way.times * round_up(-(-way.units // rate), lot), way.slots
        if want.alternative.divisible:
            return no_more_than_needed(way.units * way.slots, cards, rate, lot, int(facts.minimum[row]))
        return cards, slots

    def _cheapest_run(self, want: Want, row: int, cards: int, slots: int) -> Fill | None:
        alternative, book, one = want.alternative, self._book, np.array([row])
        span = slice(alternative.earliest, alternative.deadline)
        if span.stop - span.start < slots or slots < book.facts.minimum[row]:
            return None
        possible = windows.unbroken(book.free[one, span] >= cards, slots)[0]
        if not possible.any():
            return None
        possible &= book.tolerated_starts(row, span, slots)
        costs = np.where(possible, windows.totals(book.costs(one, span), slots)[0], FAR)
        start = int(costs.argmin())
        fill = book.quote(want, span.start + start, [(row, cards)], slots)
        return fill if possible[start] and book.tolerates(fill) else None


def is_searched_for(want: Want) -> bool:
    """Whether ``find`` knows how; several gangs and divisible work are tried at one offer."""
    return want.alternative.gangs <= 1 and not want.alternative.divisible


def no_more_than_needed(work: int, cards: int, rate: int, lot: int, shortest: int) -> tuple[int, int]:
    """Cards and slots of one offer that do divisible work, beginning with ``cards``: no lot and no hour
    that could be left out."""
    slots = 0
    while True:
        hours = max(-(-work // (cards * rate)), shortest)
        fewer = -(-work // (rate * hours * lot)) * lot
        if (fewer, hours) == (cards, slots):
            return cards, slots
        cards, slots = fewer, hours
