"""How deep the book is: whether enough would be left if others bought as they did in each of the last runs.

On the hours of the cheapest fill, as many cards of each product as a run sold are taken away, the cheapest
first, whoever offers them. What is then left within the limit suffices or it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketplace.engine.facts import Ints, Mask
from marketplace.engine.quotebook import QuoteBook
from marketplace.engine.quotefill import NEVER, Cost, Search


@dataclass(frozen=True, slots=True)
class Depth:
    """``there`` is what the book has within the limit and ``needed`` what is asked for, in the same unit.

    ``runs`` is how many of the last runs are known; after ``left`` of them enough would have been left.
    """

    there: int
    needed: int
    runs: int
    left: int


def depth(book: QuoteBook, search: Search, cost: Cost, meeting: Mask) -> Depth:
    """Of a fill that ``search`` found; ``meeting`` are those of its rows that may serve it."""
    shape, end = search.shape, cost.first_slot + cost.slots
    able = np.flatnonzero(meeting & (search.cheapest < NEVER)).astype(np.int64)
    rows = search.rows[able[search.within(able, cost.first_slot, end)]]
    free = book.sellable(shape.want, rows, cost.first_slot, end).min(axis=1).astype(np.int64)
    steps, units = shape.steps(book, rows)

    def at_once(cards: Ints) -> int:
        return int(np.sum(cards // steps * units))

    enough = 0
    if cost.within_limit:
        ahead = _ahead(book, rows, cost.first_slot, end)
        bought = (sold[book.facts.product[rows]] for sold in book.sold)
        enough = sum(at_once(free - np.clip(each - ahead, 0, free)) >= shape.least for each in bought)
    return Depth(at_once(free), shape.need, len(book.sold), enough)


def _ahead(book: QuoteBook, rows: Ints, first: int, end: int) -> Ints:
    """How many cards of its product others buy before the first of each row: all that cost less."""
    products = np.zeros(len(book.facts.products), dtype=np.bool_)
    products[book.facts.product[rows]] = True
    rivals = np.flatnonzero(products[book.facts.product]).astype(np.int64)
    product = book.facts.product[rivals]
    order = np.lexsort((book.before[rivals, end] - book.before[rivals, first], product))
    free = _free(book, rivals[order], first, end)
    before = np.cumsum(free) - free
    first_of_product = np.searchsorted(product[order], product[order])
    ahead = np.zeros(len(book.facts), dtype=np.int64)
    ahead[rivals[order]] = before - before[first_of_product] if rivals.size else before
    return ahead[rows]


def _free(book: QuoteBook, rows: Ints, first: int, end: int) -> Ints:
    """Cards that are free over all of the hours."""
    return np.asarray(book.free[rows, first:end].min(axis=1), dtype=np.int64)
