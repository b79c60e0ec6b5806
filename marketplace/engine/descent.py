"""Shadow prices that make the bound tight: a subgradient method with momentum.

A price rises where requests would take more than offers would sell, and falls where less, by a step
that is a share of the cheapest cost there. Steps follow Adam (Kingma and Ba, 2015) with a decaying
rate. What is asked and offered is counted in integers; the steps themselves are floating-point, but
only sums, products, quotients and square roots of single figures, which IEEE 754 rounds in one way
on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketplace.engine.columns import GRAIN_BITS, NEVER
from marketplace.engine.dual import Dual
from marketplace.engine.facts import Floats, Ints

FADE, FADE_OF_SQUARES = 0.9, 0.99
MOST_SHORTAGE = 2.0
"""An excess of demand above so many times what there is counts as that."""

SMALL = 1e-3


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many steps, how long the first is, and after how many steps it is half as long."""

    steps: int
    first: float
    half: float


class Scarcity:
    """By how much more is asked than offered, as a share of what there is.

    Half of it is a cell's own, half that of all cells of its product: cells of one product are much
    alike, and on their own figures they would only hand the excess to each other.
    """

    def __init__(self, dual: Dual) -> None:
        supplied, first = dual.supplied, dual.cells.first
        self._product = supplied.product[first[:-1]]
        self._there = np.add.reduceat(supplied.free, first[:-1], axis=0)
        self._pooled = self._by_product(self._there)

    def __call__(self, dual: Dual) -> Floats:
        excess = dual.asked[:, :-1] - (dual.offered << GRAIN_BITS)
        own = _share(excess, self._there)
        pooled = _share(self._by_product(excess), self._pooled)[self._product]
        return np.where(self._there > 0, (own + pooled) / 2, 0.0)

    def _by_product(self, figures: Ints) -> Ints:
        sums = np.zeros((int(self._product.max()) + 1, figures.shape[1]), dtype=np.int64)
        np.add.at(sums, self._product, figures)
        return sums


def _share(excess: Ints, there: Ints) -> Floats:
    shares = excess / (np.maximum(there, 1) << GRAIN_BITS)
    return np.clip(shares, -1.0, MOST_SHORTAGE)


def cheapest(dual: Dual) -> Ints:
    """The least cost in each cell and slot: no useful shadow price is below it."""
    supplied, first = dual.supplied, dual.cells.first
    costs = np.where(supplied.free > 0, supplied.cost, NEVER)
    least = np.minimum.reduceat(costs, first[:-1], axis=0)
    return np.where(least == NEVER, 0, least)


def descend(dual: Dual, prices: Ints, schedule: Schedule) -> tuple[int, Ints]:
    """The best bound on the way down from ``prices``, and the prices that prove it."""
    floor = cheapest(dual)
    scarcity = Scarcity(dual)
    current = np.maximum(prices, floor).astype(np.float64)
    step_unit = np.maximum(floor, 1).astype(np.float64)
    trend, spread = np.zeros_like(current), np.zeros_like(current)
    faded, faded_squares = 1.0, 1.0
    best, kept = NEVER, prices
    for step in range(schedule.steps):
        whole = np.rint(current).astype(np.int64)
        value = dual.value(whole)
        if value < best:
            best, kept = value, whole
        excess = scarcity(dual)
        trend = FADE * trend + (1 - FADE) * excess
        spread = FADE_OF_SQUARES * spread + (1 - FADE_OF_SQUARES) * excess * excess
        faded, faded_squares = faded * FADE, faded_squares * FADE_OF_SQUARES
        direction = trend / (1 - faded) / (np.sqrt(spread / (1 - faded_squares)) + SMALL)
        length = schedule.first / (1 + step / schedule.half)
        current = np.maximum(floor, current + length * step_unit * direction)
    return best, kept
