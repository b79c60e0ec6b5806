"""What is on offer at one moment, and where in it a run fits: before a run, or what it left.

A run is ``slots`` consecutive slots between ``start`` and ``end`` with ``cards`` free in each of them.
Most questions are settled by the few figures that are kept of each offer, without a look at its slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import NEVER, Bytes
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.hourly import Power
from marketplace.engine.windows import running


class Shelf(NamedTuple):
    """Offers by row: ``free`` cards by slot, and running totals of what a card costs, in micro-units.

    From slot ``first`` to before ``end`` there are always ``low`` cards. Slots with the same number of cards
    make a piece: those of a row are ``pieces[row]`` to before ``pieces[row + 1]``, each with the slot where
    it begins and its cards.
    """

    free: Ints
    total: Ints
    first: Ints
    end: Ints
    low: Ints
    pieces: Ints
    begins: Ints
    cards: Ints


class Runs(NamedTuple):
    """Of all runs of ``slots`` slots in an offer: the least and the most that a card costs over one, and
    the most cards that are free throughout one. 0 cards where no run is that long."""

    slots: Ints
    least: Ints
    most: Ints
    room: Ints


def whole_shelf(facts: Facts, free: Ints, costs: Ints) -> Shelf:
    """Every offer over all of its window."""
    return _shelf(free, costs, facts.first, facts.end)


def shelves(facts: Facts, free: Ints, costs: Ints, asked: Iterable[Power]) -> list[Shelf]:
    """Every offer for whom any power will do, then for those who ask for this or that in every hour."""
    rows, whole = np.arange(len(facts)), slice(0, facts.slots)
    opened = (np.where(facts.hourly.open(each, rows, whole), free, 0) for each in asked)
    return [whole_shelf(facts, there, costs) for there in (free, *opened)]


def left_shelf(free: Ints, costs: Ints) -> Shelf:
    """Every offer from the first to the last slot in which it has a card."""
    some = free > 0
    first = some.argmax(axis=1)
    end = np.where(some.any(axis=1), free.shape[1] - some[:, ::-1].argmax(axis=1), first)
    return _shelf(free, costs, first.astype(np.int64), end.astype(np.int64))


def _shelf(free: Ints, costs: Ints, first: Ints, end: Ints) -> Shelf:
    pieces = np.concatenate([[0], np.cumsum(_count_pieces(free, first, end))]).astype(np.int64)
    begins, cards = np.zeros(pieces[-1], dtype=np.int64), np.zeros(pieces[-1], dtype=np.int64)
    made = Shelf(
        free, running(costs), first, end, np.zeros(first.size, dtype=np.int64), pieces, begins, cards
    )
    _cut(made)
    return made


@compiled
def _count_pieces(free: Ints, first: Ints, end: Ints) -> Ints:
    counts = np.zeros(first.size, dtype=np.int64)
    for row in range(first.size):
        for slot in range(first[row], end[row]):
            if slot == first[row] or free[row, slot] != free[row, slot - 1]:
                counts[row] += 1
    return counts


@compiled
def _cut(shelf: Shelf) -> None:
    """Fill in the pieces and the lowest of them."""
    free, first, low = shelf.free, shelf.first, shelf.low
    piece = 0
    for row in range(first.size):
        for slot in range(first[row], shelf.end[row]):
            cards = free[row, slot]
            if slot == first[row] or cards != free[row, slot - 1]:
                shelf.begins[piece], shelf.cards[piece] = slot, cards
                low[row] = cards if slot == first[row] else min(low[row], cards)
                piece += 1


def runs(shelf: Shelf, slots: Ints) -> Runs:
    """``slots`` is the length of a run, by row."""
    rows = slots.size
    made = Runs(slots, np.full(rows, NEVER), np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64))
    _measure(shelf, made)
    return made


@compiled
def _measure(shelf: Shelf, runs: Runs) -> None:
    free, total, first, last, low = shelf.free, shelf.total, shelf.first, shelf.end, shelf.low
    least, most, room = runs.least, runs.most, runs.room
    window = np.empty(free.shape[1], dtype=np.int64)
    for row in range(low.size):
        slots, start, end = runs.slots[row], first[row], last[row]
        if end - start < slots:
            continue
        for slot in range(start + slots, end + 1):
            cost = total[row, slot] - total[row, slot - slots]
            least[row] = min(least[row], cost)
            most[row] = max(most[row], cost)
        room[row] = largest_run(free[row], total[row], start, end, slots, NEVER, window)


@compiled
def members(bits: Bytes, first: int, end: int, rows: Ints) -> int:
    """Write the rows whose bit is set between two bytes; how many they are."""
    count = 0
    for byte in range(first, min(end, bits.size)):
        if bits[byte]:
            for bit in range(8):
                if bits[byte] & (128 >> bit):
                    rows[count] = 8 * byte + bit
                    count += 1
    return count


@compiled
def cheapest_run(
    begins: Ints,
    held: Ints,
    total: Ints,
    start: int,
    end: int,
    slots: int,
    cards: int,
    below: int,
    enough: int,
) -> int:
    """What a card costs over the cheapest run with the cards, if that is less than ``below``.

    Else ``below``. A run that costs no more than ``enough`` ends the search.
    """
    begun = -1
    for piece in range(begins.size + 1):
        there = piece < begins.size
        if there and held[piece] >= cards:
            begun = begins[piece] if begun < 0 else begun
        elif begun >= 0:
            stop = min(begins[piece], end) if there else end
            for slot in range(max(begun, start) + slots, stop + 1):
                below = min(below, total[slot] - total[slot - slots])
                if below <= enough:
                    return below
            begun = -1
    return below


@compiled
def earliest_run(
    begins: Ints,
    held: Ints,
    total: Ints,
    start: int,
    end: int,
    slots: int,
    cards: int,
    budget: int,
    after: int,
) -> int:
    """The first slot later than ``after`` with which a run with the cards ends that costs no more than
    ``budget``; ``NEVER`` if there is none."""
    begun = -1
    for piece in range(begins.size + 1):
        there = piece < begins.size
        if there and held[piece] >= cards:
            begun = begins[piece] if begun < 0 else begun
        elif begun >= 0:
            stop = min(begins[piece], end) if there else end
            for slot in range(max(max(begun, start) + slots, after + 1), stop + 1):
                if total[slot] - total[slot - slots] <= budget:
                    return slot
            begun = -1
    return NEVER


@compiled
def largest_run(free: Ints, total: Ints, start: int, end: int, slots: int, budget: int, window: Ints) -> int:
    """The most cards that are free throughout a run that costs no more than ``budget``.

    ``window``, which is spoilt, holds the slots of the run so far that have fewer cards than all later ones.
    """
    found, head, tail = 0, 0, 0
    for slot in range(start, end):
        while tail > head and free[window[tail - 1]] >= free[slot]:
            tail -= 1
        window[tail] = slot
        tail += 1
        if window[head] <= slot - slots:
            head += 1
        if slot >= start + slots - 1 and total[slot + 1] - total[slot + 1 - slots] <= budget:
            found = max(found, free[window[head]])
    return found


@compiled
def cheapest_price(total: Ints, earliest: int, deadline: int, slots: int) -> int:
    """The least that a run costs in a window, whoever has the cards; ``NEVER`` if the window is shorter."""
    found = NEVER
    for start in range(earliest, deadline - slots + 1):
        found = min(found, total[start + slots] - total[start])
    return found
