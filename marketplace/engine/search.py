"""Find the best fill of a want at the book's present state."""

from __future__ import annotations

from marketplace.engine import single, split
from marketplace.engine.book import Book, Fill
from marketplace.engine.facts import Ints
from marketplace.engine.want import Want


def find(book: Book, want: Want, rows: Ints) -> Fill | None:
    """The fullest, then cheapest fill from ``rows`` that the buyer and all others can bear.

    Several gangs and divisible work are only placed by ``hunt``. ``rows`` pass the standing constraints
    and the window; free cards, the limit and everybody else's limits are looked at here, as they are now.
    """
    if not rows.size or want.alternative.gangs > 1 or want.alternative.divisible:
        return None
    strategy = single.search if want.alternative.gang else split.search
    return strategy(book, want, rows)
