"""Would this have been placed? Tried exactly, on the book as a run left it, with a few offers.

What is found here is what a run would have accepted after all others: the cards are free, everybody stays
within its limit at the prices that would then hold, and no group is broken. The book stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketplace.engine import windows
from marketplace.engine.asked import cards_and_slots, ways
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.composing import composed
from marketplace.engine.facts import FAR, Ints
from marketplace.engine.groups import Groups
from marketplace.engine.result import Constraint
from marketplace.engine.search import find
from marketplace.engine.validation import MAX_MONEY, MAX_PICO
from marketplace.engine.want import Want

FEW = 3
"""First slots that are tried for a mix."""


class Trial:
    """Tries wants on what a run left."""

    def __init__(self, book: Book, groups: Groups) -> None:
        self._book, self._groups = book, groups
        self._without_budgets = book.without_budgets()

    def find(self, want: Want, rows: Ints) -> Fill | None:
        """The fullest, then cheapest fill from ``rows`` that the book allows; groups are not looked at."""
        if is_mixed(want):
            return find(self._book, want, rows, FEW)
        fills = self._composed(self._book, want, rows)
        return max(fills, key=lambda fill: (fill.filled, fill.gain), default=None)

    def works(self, want: Want, rows: Ints) -> bool:
        fill = self.find(want, rows)
        return fill is not None and self._suffices(fill) and self._groups.broken_by(fill) is None

    def confirms(self, want: Want, fill: Fill, rows: Ints) -> bool:
        """Whether a fill that was found for a want like this one would do for it.

        Its cards were found to hurt nobody. A mix is looked for again: none has a part above the limit.
        """
        if len(fill.takes) > 1 and is_mixed(want):
            return self.works(want, rows)
        again = self._book.quote(want, fill.takes)
        return self._suffices(again) and self.held_back_by(again) is None

    def held_back_by(self, fill: Fill) -> Constraint | None:
        """What has too little left for a fill that hurts nobody else: a budget, a choice or a cap."""
        if self._book.purse(fill.want.request) is not None and not self._book.tolerates(fill):
            return Constraint.BUDGET
        return self._groups.broken_by(fill)

    def cheapest(self, want: Want, rows: Ints) -> Fill | None:
        """The cheapest fill of the least that may be filled, whatever the limit and the budgets."""
        unlimited, book = want.with_limit(highest_limit(want)), self._without_budgets
        if is_mixed(want):
            return find(book, unlimited.with_amount(want.least), rows, FEW)
        fills = self._composed(book, unlimited, rows)
        return min(fills, key=lambda fill: want.limit_for(fill.paid, fill.filled), default=None)

    def sufficient_limits(self, want: Want, fill: Fill) -> list[int]:
        """The limit that the whole fill needs, then the one that its dearest part needs alone."""
        overall = want.limit_for(max(fill.paid, self._counts_for(fill)), fill.filled)
        if len(fill.takes) == 1:
            return [overall]
        parts = (self._book.quote(want, [take]) for take in fill.takes)
        dearest = max(want.limit_for(part.paid, part.filled) for part in parts)
        return sorted({overall, max(overall, dearest)})

    def accepts(self, fill: Fill) -> bool:
        """Whether a run could still accept the fill."""
        possible = self._suffices(fill) and self._book.tolerates(fill)
        return possible and self._groups.broken_by(fill) is None

    def _suffices(self, fill: Fill) -> bool:
        """Whether it fills enough, within the limit, and is worth what is asked and its emissions count."""
        worth_it = fill.gain >= 0 and fill.worth >= self._counts_for(fill)
        return worth_it and fill.filled >= fill.want.least_whole

    def _counts_for(self, fill: Fill) -> int:
        """What is asked for a fill and what its emissions count for, in pico."""
        return sum(take.cards * self._counts_for_a_card(take) for take in fill.takes)

    def _counts_for_a_card(self, take: Take) -> int:
        facts, row = self._book.facts, take.row
        asked = int(facts.asks[row, take.span].sum()) * int(facts.base[row])
        return asked + int(facts.emission[row, take.span].sum())

    def _composed(self, book: Book, want: Want, rows: Ints) -> Iterator[Fill]:
        """What the search makes of the offers together, and what each does alone."""
        fill = composed(book, want, rows)
        if fill is not None and self._suffices(fill) and book.tolerates(fill):
            yield fill
        yield from self._at_one_offer(book, want, rows)

    def _at_one_offer(self, book: Book, want: Want, rows: Ints) -> Iterator[Fill]:
        """For each of ``rows`` and each way, the cheapest run that hurts nobody, if that suffices."""
        for way in dict.fromkeys((*ways(want, whole=True), *ways(want))):
            for row in rows.tolist():
                fill = _cheapest_run(book, want, row, *cards_and_slots(book.facts, want, row, way))
                if fill is not None and self._suffices(fill):
                    yield fill


def _cheapest_run(book: Book, want: Want, row: int, cards: int, slots: int) -> Fill | None:
    alternative, one = want.alternative, np.array([row])
    span = slice(alternative.earliest, alternative.deadline)
    if span.stop - span.start < slots or slots < book.facts.minimum[row]:
        return None
    free = book.facts.sellable(book.free[one, span], want, one, span)
    possible = windows.unbroken(free >= cards, slots)[0]
    if not possible.any():
        return None
    possible &= book.tolerated_starts(row, span, slots)
    costs = np.where(possible, windows.totals(book.costs(one, span), slots)[0], FAR)
    start = int(costs.argmin())
    fill = book.quote(want, [Take(row, cards, span.start + start, slots)])
    return fill if possible[start] and book.tolerates(fill) else None


def is_mixed(want: Want) -> bool:
    """Whether its cards all run over the same slots, which ``find`` knows how to put together."""
    return want.alternative.gangs <= 1 and not want.alternative.divisible


def highest_limit(want: Want) -> int:
    """The highest that a snapshot may have."""
    return min(MAX_MONEY, MAX_PICO // want.base)
