"""The cells that are worth looking at for each want at given shadow prices, the best first."""

from __future__ import annotations

import numpy as np

from marketplace.engine import windows
from marketplace.engine.columns import DIVISIBLE, GANGS, NEVER, Cells, Demand, Lists
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Floats, Ints

RATIO_BITS = 20

PREFERENCE_BITS = 10
"""A cheaper offer seems cheaper still by one part in 2**10 of what it is below the shadow price."""


def shortlists(wanted: Demand, lists: Lists, cells: Cells, prices: Ints, most: int) -> tuple[Lists, Ints]:
    """At most ``most`` cells a want, those in which a unit costs least over the want's best run.

    Cells in which the amount would cost more than twice what it is worth are left out. With the entries
    comes what a want gains at most in the cell of each.
    """
    running = windows.running(prices)
    wants = wanted.kind.size
    entries = np.zeros((wants, most), dtype=np.int64)
    hopes, counts = np.zeros_like(entries), np.zeros(wants, dtype=np.int64)
    _collect(wanted, lists, cells, running, entries, hopes, counts)
    some = np.arange(most)[None, :] < counts[:, None]
    kept = entries[some]
    found = Lists(
        of=np.arange(wants, dtype=np.int64),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cell=lists.cell[kept],
        lot=lists.lot[kept],
        common=lists.common[kept],
        room=lists.room[kept],
    )
    return found, hopes[some]


@compiled
def _collect(
    wanted: Demand, lists: Lists, cells: Cells, running: Ints, entries: Ints, hopes: Ints, counts: Ints
) -> None:
    most = entries.shape[1]
    ratios, costs = np.empty(cells.peak.size, dtype=np.int64), np.empty(cells.peak.size)
    for want in range(wanted.kind.size):
        of = lists.of[want]
        first, size = lists.first[of], lists.first[of + 1] - lists.first[of]
        found = _rate_entries(want, first, size, wanted, lists, cells, running, ratios, costs)
        order = np.argsort(ratios[:size], kind="mergesort")
        counts[want] = min(found, most)
        for place in range(counts[want]):
            entries[want, place] = first + order[place]
            hopes[want, place] = _hope(wanted.worth[want], costs[order[place]])


@compiled
def _rate_entries(
    want: int,
    first: int,
    size: int,
    wanted: Demand,
    lists: Lists,
    cells: Cells,
    running: Ints,
    ratios: Ints,
    costs: Floats,
) -> int:
    """What the whole amount would cost, also by its worth (at most 2), in each entry; how many are within."""
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
            costs[index] = lowest * cards
            ratios[index] = np.int64(lowest * cards / max(worth, 1) * (1 << RATIO_BITS))
            found += 1
    return found


@compiled
def _hope(worth: int, cost: float) -> int:
    """What is gained at most where no offer seems cheaper than so; rounded up by more than floats are off."""
    least = cost * (1.0 - 1.0 / (1 << PREFERENCE_BITS))
    return int(worth - np.int64(least - least / (1 << 40)) + 1)
