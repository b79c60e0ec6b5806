"""From a market to shadow prices: in two steps, coarse and fine.

The coarse cells are products. In a market with few offers each offer then becomes a cell of its own,
and prices are refined from those of its product; in a larger one the products are the last word, and
most steps look at a sample of the requests.

While prices are refined a want looks only at the cells that were the most promising before; the value
that is kept is one of all cells, so it is a bound whatever was left out on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketplace.engine import columns
from marketplace.engine.columns import Bytes, Cells, Demand, Lists, Supply
from marketplace.engine.descent import Schedule, descend
from marketplace.engine.dual import Dual
from marketplace.engine.facts import Ints
from marketplace.engine.shortlist import shortlists

FINE_OFFERS = 4_096
"""Markets with more offers than that are priced by product only."""

SAMPLE = 40_000
"""Requests from whose prices those of a large market are refined: every second, third ... of all."""

COARSE = Schedule(steps=60, first=0.2, half=10)
COARSE_OF_SAMPLE = Schedule(steps=120, first=0.2, half=15)
COARSE_OF_ALL = Schedule(steps=16, first=0.003, half=8)
FINE = Schedule(steps=100, first=0.03, half=15)
PROMISING = 64
"""Cells a want looks at while prices are refined."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """The best bound found, the cells and prices that prove it, and what each request gains at most."""

    value: int
    cells: Cells
    lists: Lists
    prices: Ints
    gains: Ints


def bounded(supplied: Supply, wanted: Demand, bits: Bytes) -> Bounded:
    """The bound of a market with at least one offer."""
    rows = supplied.lot.size
    large = rows > FINE_OFFERS
    products = np.flatnonzero(np.diff(supplied.product, prepend=-1, append=-1)).astype(np.int64)
    coarse = _over(supplied, wanted, bits, products)
    if large:
        _, prices = descend(coarse, _prices_of_sample(coarse), COARSE_OF_ALL)
        return _at(coarse, prices)
    value, prices = descend(coarse, np.zeros_like(coarse.cells.reach), COARSE)
    fine = _over(supplied, wanted, bits, np.arange(rows + 1, dtype=np.int64))
    lifted = prices[supplied.product]
    kept, _ = shortlists(wanted, fine.lists, fine.cells, lifted, PROMISING)
    _, refined = descend(Dual(supplied, wanted, fine.cells, kept), lifted, FINE)
    found = _at(fine, refined)
    return found if found.value <= value else _at(coarse, prices)


def _prices_of_sample(coarse: Dual) -> Ints:
    """Prices at which a sample of the requests, each counted as often as it stands for, is served best."""
    weight = -(-(coarse.wanted.first.size - 1) // SAMPLE)
    few = columns.every(coarse.wanted, weight)
    lists = coarse.lists._replace(of=few.profile)
    sample = Dual(coarse.supplied, few, coarse.cells, lists, weight)
    _, prices = descend(sample, np.zeros_like(coarse.cells.reach), COARSE_OF_SAMPLE)
    return prices


def _over(supplied: Supply, wanted: Demand, bits: Bytes, borders: Ints) -> Dual:
    cells = columns.cells(supplied, borders)
    return Dual(supplied, wanted, cells, columns.whole_lists(supplied, wanted, bits, cells))


def _at(dual: Dual, prices: Ints) -> Bounded:
    value = dual.value(prices)
    gains = np.zeros(dual.chosen.size, dtype=np.int64)
    np.maximum.at(gains, dual.wanted.request, dual.choices.gain)
    return Bounded(value, dual.cells, dual.lists, prices, gains)
