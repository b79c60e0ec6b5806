"""The cells that are worth looking at for each want at given shadow prices, the best first."""

from __future__ import annotations

import numpy as np

from marketplace.engine import windows
from marketplace.engine.columns import DIVISIBLE, GANGS, NEVER, Cells, Demand, Lists
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints

RATIO_BITS = 20


def shortlists(wanted: Demand, lists: Lists, cells: Cells, prices: Ints, most: int) -> Lists:
    """At most ``most`` cells a want, those in which a unit costs least over the want's best run.

    Cells in which the amount would cost more than twice what it is worth are left out.
    """
    running = windows.running(prices)
    wants = wanted.kind.size
    entries = np.zeros((wants, most), dtype=np.int64)
    counts = np.zeros(wants, dtype=np.int64)
    _collect(wanted, lists, cells, running, entries, counts)
    kept = entries[np.arange(most)[None, :] < counts[:, None]]
    return Lists(
        of=np.arange(wants, dtype=np.int64),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cell=lists.cell[kept],
        lot=lists.lot[kept],
        common=lists.common[kept],
        room=lists.room[kept],
    )


@compiled
def _collect(wanted: Demand, lists: Lists, cells: Cells, running: Ints, entries: Ints, counts: Ints) -> None:
    most = entries.shape[1]
    ratios = np.empty(cells.peak.size, dtype=np.int64)
    for want in range(wanted.kind.size):
        of = lists.of[want]
        first, size = lists.first[of], lists.first[of + 1] - lists.first[of]
        found = _rate_entries(want, first, size, wanted, lists, cells, running, ratios)
        order = np.argsort(ratios[:size], kind="mergesort")
        counts[want] = min(found, most)
        for place in range(counts[want]):
            entries[want, place] = first + order[place]


@compiled
def _rate_entries(
    want: int, first: int, size: int, wanted: Demand, lists: Lists, cells: Cells, running: Ints, ratios: Ints
) -> int:
    """What the whole amount would cost by its worth in each entry (at most 2); how many are below that."""
    kind, amount, worth = wanted.kind[want], wanted.amount[want], wanted.worth[want]
    rates, parts, model = wanted.rate[want], wanted.part[want], cells.model
    entry_cell, entry_lot, reach, peak = lists.cell, lists.lot, cells.reach, cells.peak
    duration = 1 if kind == DIVISIBLE else wanted.duration[want]
    earliest, last = wanted.earliest[want], wanted.deadline[want] - duration
    found = 0
    for index in range(size):
        cell, lot = entry_cell[first + index], entry_lot[first + index]
        ratios[index] = NEVER
        rate = rates[model[cell]]
        cards = float(amount) / max(rate, 1)
        if kind == GANGS:
            gang = (parts[model[cell]] + lot - 1) // lot * lot
            if gang > peak[cell]:
                continue
            cards = float(gang * amount)
        if rate == 0:
            continue
        lowest = NEVER
        for start in range(earliest, last + 1):
            if reach[cell, start] >= start + duration:
                lowest = min(lowest, running[cell, start + duration] - running[cell, start])
        if lowest < NEVER and lowest * cards <= 2.0 * worth:
            ratios[index] = np.int64(lowest * cards / max(worth, 1) * (1 << RATIO_BITS))
            found += 1
    return found
