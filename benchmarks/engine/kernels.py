"""Searches over all eligible offers and first slots, compiled: a national market has 1e10 pairs of those.

Figures are floats: they rank, the exact ones come from ``fills``. ``worth`` is what a unit of the amount is
worth over the run, in pico. With ``early`` the first slot decides and the gain among equals, otherwise the
gain alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba
import numpy as np

from benchmarks.engine.market import Floats, Ints

P = ParamSpec("P")
R = TypeVar("R")

Book = tuple[Ints, Ints]
"""``free`` and ``costs`` of a ``Market``."""

Stock = tuple[Ints, Ints, Ints]
"""Offers as columns of the market, what a card of each fills, and their lots."""

Terms = tuple[int, int, int, int, int]
"""Amount, the least part of it, earliest slot, deadline, duration."""

NOTHING = -1
UNCOUNTED = -1

BAND = 1.2
"""Only offers whose unit costs are so near to the cheapest are put in order, until they are used up."""

A_LITTLE_LESS_THAN_NO_GAIN = -0.5


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    made: Callable[P, R] = numba.njit(cache=True)(function)
    return made


@_compiled
def _free_cards(free: Ints, offer: int, first: int, duration: int) -> int:
    """Cards of the offer that are free in every slot of the run."""
    least = free[first, offer]
    for slot in range(first + 1, first + duration):
        least = min(least, free[slot, offer])
    return int(least)


@_compiled
def _cards(free: int, amount: int, rate: int, lot: int) -> int:
    """Whole lots of so many free cards, no more than the amount needs."""
    lots_needed = -(-amount // (rate * lot))
    return min(free // lot, lots_needed) * lot


@_compiled
def best_alone(book: Book, stock: Stock, terms: Terms, worth: float, early: bool) -> tuple[int, int, int]:
    """Offer, first slot and cards of the best fill by one offer; ``NOTHING`` if there is none."""
    (free, costs), (offers, rates, lots) = book, stock
    amount, least, earliest, deadline, duration = terms
    best_gain = A_LITTLE_LESS_THAN_NO_GAIN
    best = (NOTHING, NOTHING, 0)
    for first in range(earliest, deadline - duration + 1):
        for place in range(offers.size):
            offer, rate, lot = offers[place], rates[place], lots[place]
            a_card = float(costs[first + duration, offer] - costs[first, offer])
            if amount * (worth - a_card / rate) <= best_gain:
                continue
            cards = _cards(_free_cards(free, offer, first, duration), amount, rate, lot)
            filled = min(cards * rate, amount)
            gain = filled * worth - cards * a_card
            if filled >= least and gain > best_gain:
                best_gain, best = gain, (offer, first, cards)
        if early and best[0] != NOTHING:
            break
    return best


@_compiled
def _unit_cost(a_card: int, rate: int, lot: int, left: int) -> float:
    """Of a unit of what is left, where whole lots are sold."""
    return float(a_card) * lot / min(rate * lot, left)


@_compiled
def _unit_costs(book: Book, stock: Stock, terms: Terms, first: int) -> Floats:
    """What a unit of the amount costs with each offer; infinite where it cannot be had."""
    (free, costs), (offers, rates, lots) = book, stock
    amount, _, _, _, duration = terms
    units = np.full(offers.size, np.inf)
    for place in range(offers.size):
        offer, lot = offers[place], lots[place]
        if free[first, offer] >= lot and free[first + duration - 1, offer] >= lot:
            a_card = costs[first + duration, offer] - costs[first, offer]
            units[place] = _unit_cost(a_card, rates[place], lot, amount)
    return units


@_compiled
def mix(
    book: Book, stock: Stock, terms: Terms, worth: float, first: int, to_beat: float
) -> tuple[list[tuple[int, int]], int, float]:
    """Takes from the cheapest unit upwards; what they fill, and the gain.

    A lot that is larger than what is left counts at its whole cost. An offer may be taken twice. A unit
    dearer than the limit is taken only if the request accepts no less and gains all the same. Nothing is
    taken where even the cheapest unit for the whole amount would not gain more than ``to_beat``.
    """
    (free, costs), (offers, rates, lots) = book, stock
    amount, least, _, _, duration = terms
    units = _unit_costs(book, stock, terms, first)
    cheapest = units.min() if units.size else np.inf
    takes = [(0, 0) for _ in range(0)]
    left, gain = amount, 0.0
    if amount * (worth - cheapest) <= to_beat:
        return takes, 0, gain
    there = np.full(offers.size, UNCOUNTED)
    while left > 0 and cheapest < np.inf:
        dearest = cheapest * BAND
        queue = [(units[place], place) for place in range(offers.size) if units[place] <= dearest]
        heapq.heapify(queue)
        while queue and left > 0:
            known, place = heapq.heappop(queue)
            offer, rate, lot = offers[place], rates[place], lots[place]
            a_card = costs[first + duration, offer] - costs[first, offer]
            units[place] = unit = _unit_cost(a_card, rate, lot, left)
            if unit > known:
                if unit <= dearest:
                    heapq.heappush(queue, (unit, place))
                continue
            if unit > worth and amount - left >= least:
                return takes, amount - left, gain
            if there[place] == UNCOUNTED:
                there[place] = _free_cards(free, offer, first, duration)
            cards = min(there[place] // lot, max(left // (rate * lot), 1)) * lot
            more = min(cards * rate, left) * worth - cards * float(a_card)
            if cards > 0 and gain + more >= 0:
                takes.append((offer, cards))
                gain += more
                left -= cards * rate
                there[place] -= cards
                heapq.heappush(queue, (unit, place))
            else:
                units[place] = np.inf
        cheapest = units.min()
    return takes, amount - max(left, 0), gain


@_compiled
def best_mix(book: Book, stock: Stock, terms: Terms, worth: float, early: bool) -> int:
    """The first slot of the best fill by several offers; where ``early``, all of the amount goes first."""
    amount, least, earliest, deadline, duration = terms
    best, best_gain = NOTHING, A_LITTLE_LESS_THAN_NO_GAIN
    for first in range(earliest, deadline - duration + 1):
        to_beat = A_LITTLE_LESS_THAN_NO_GAIN if early else best_gain
        _, filled, gain = mix(book, stock, terms, worth, first, to_beat)
        if filled < least or filled == 0 or gain <= to_beat:
            continue
        if early and filled == amount:
            return first
        if not early or best == NOTHING:
            best, best_gain = first, gain
    return best
