"""Upper bounds on the surplus of any placement, and so on that of every peer.

The relaxation lets placements, lots and alternatives be taken in part, keeps free cards, asks and limits,
and knows nothing of uniform prices. Its dual is used as it is: *any* non-negative price for a card in a
slot gives a bound, the value of the free cards plus the best that each request could do at those prices.
So a bound does not depend on how far a solver came; better prices only make it tighter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

import numpy as np

from benchmarks.engine.columns import Columns
from benchmarks.engine.market import Floats, Ints

ROUNDING = 1 + 1e-9
"""Sums of floats are wrong by far less than this; a bound is raised by it."""

FIRST_STEP, SMALLEST_STEP, PATIENCE = 1.0, 1e-3, 12


def bound(columns: Columns, free: Ints, prices: Floats) -> float:
    """Units of the base currency; ``prices`` (slots, offers) are per card, negative ones count as 0."""
    prices = np.maximum(prices, 0)
    best, _ = _best(columns, prices)
    return (float((prices * free).sum()) + float(best.sum())) * ROUNDING


@dataclass(frozen=True, slots=True)
class Descent:
    """The best bound that was found, after so many rounds, and its prices by slot and offer."""

    bound: float
    rounds: int
    prices: Floats


def descend(
    columns: Columns, free: Ints, target: float, until: float, clock: Callable[[], float] = process_time
) -> Descent:
    """Lower the bound by raising prices where the requests' best choices ask for more than is free.

    A subgradient method with Polyak's steps towards ``target``, the surplus of a known placement; the
    step is halved where ``PATIENCE`` rounds bring nothing (Held, Wolfe, Crowder 1974). It ends when the
    ``clock`` says ``until``.
    """
    prices = np.zeros(free.shape)
    least, kept, step, waited, rounds = np.inf, prices, FIRST_STEP, 0, 0
    while clock() < until and step > SMALLEST_STEP:
        rounds += 1
        best, chosen = _best(columns, prices)
        value = float((prices * free).sum()) + float(best.sum())
        if value < least * (1 - 1e-5):
            least, kept, waited = value, prices, 0
        else:
            waited += 1
            if waited >= PATIENCE:
                step, waited, prices = step / 2, 0, kept
                continue
        excess = _use(columns, chosen, free) - free
        excess[(excess < 0) & (prices <= 0)] = 0
        norm = float((excess * excess).sum())
        if norm == 0:
            break
        prices = np.maximum(prices + step * max(value - target, 0) / norm * excess, 0)
    return Descent(bound(columns, free, kept), rounds, kept)


def best_of_each(columns: Columns, prices: Floats, most: int) -> Ints:
    """Positions of the columns that gain each request most at these prices, up to ``most`` a request."""
    reduced = _gains(columns, prices)
    order = np.lexsort((-reduced, columns.request))
    begins = np.searchsorted(columns.request, columns.request)
    return np.sort(order[np.arange(len(columns)) - begins < most])


def _gains(columns: Columns, prices: Floats) -> Floats:
    """What each column would gain at these prices if it filled the whole amount."""
    running = np.zeros((prices.shape[0] + 1, prices.shape[1]))
    np.cumsum(prices, axis=0, out=running[1:])
    flat, width = running.ravel(), running.shape[1]
    first = columns.start * width + columns.offer
    rent = columns.cards * (flat[first + columns.duration * width] - flat[first])
    gains: Floats = (columns.gain - rent) / columns.share
    return gains


def _best(columns: Columns, prices: Floats) -> tuple[Floats, Ints]:
    """What each request gains at most at these prices, and the columns that do it."""
    reduced = _gains(columns, prices)
    begins = np.flatnonzero(np.diff(columns.request, prepend=-1))
    best = np.maximum.reduceat(reduced, begins) if begins.size else np.empty(0)
    counts = np.diff(np.append(begins, len(columns)))
    at_best = np.flatnonzero((reduced == np.repeat(best, counts)) & (reduced > 0))
    _, one_each = np.unique(columns.request[at_best], return_index=True)
    return np.maximum(best, 0), at_best[one_each]


def _use(columns: Columns, chosen: Ints, free: Ints) -> Floats:
    """Cards that the chosen columns use, by slot and offer."""
    change = np.zeros((free.shape[0] + 1, free.shape[1]))
    cards = columns.cards[chosen] / columns.share[chosen]
    offer, start = columns.offer[chosen], columns.start[chosen]
    np.add.at(change, (start, offer), cards)
    np.add.at(change, (start + columns.duration[chosen], offer), -cards)
    used: Floats = change.cumsum(axis=0)[:-1]
    return used
