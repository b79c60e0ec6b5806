"""Find the best fill of a want at the book's present state."""

from __future__ import annotations

from marketplace.engine import single, split
from marketplace.engine.book import Book, Fill
from marketplace.engine.facts import Ints
from marketplace.engine.want import Want


def find(book: Book, want: Want, rows: Ints, tries: int = split.TRIES) -> Fill | None:
    """The fullest, then cheapest fill from ``rows`` that the buyer and all others can bear.

    Several gangs and divisible work are only placed by ``hunt``. ``rows`` pass the standing constraints;
    the window, free cards, the limit and everybody else's limits are looked at here, as they are now.
    ``tries`` first slots are tried for a mix.
    """
    alternative = want.alternative
    if not rows.size or alternative.gangs > 1 or alternative.divisible:
        return None
    if alternative.deadline - alternative.earliest < alternative.duration:
        return None
    if alternative.gang:
        return single.search(book, want, rows)
    return split.search(book, want, rows, tries)
