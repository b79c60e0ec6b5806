"""What the market is worth at most, at given shadow prices: the Lagrangian dual.

Let every card-hour of a cell have a shadow price, whatever it is. An offer can gain no more than it
gets by selling all that it has where the price is above its cost; a request no more than the best it
can do for itself at those prices, as if it were alone. Whatever the market does, its surplus is at
most the sum of these gains (weak duality; the proof is in ``docs/engine.md``). So each price vector
gives a valid bound, and ``Dual.value`` is exact in integers.

``Dual.value`` also says what everybody would take at those prices, which is how ``descent`` finds
better ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from marketplace.engine import windows
from marketplace.engine.columns import (
    DIVISIBLE,
    GANGS,
    GRAIN_BITS,
    MIXED,
    NEVER,
    Cells,
    Demand,
    Lists,
    Supply,
)
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints

THREADS = 2
"""Requests do not look at each other here, so the number of threads changes nothing but the time."""

FINE, COARSE = 20, 10
"""Bits after the point of a unit cost, for requests worth less than 2**42 micro-units and others."""


class Choices(NamedTuple):
    """By want: what it gains at most, the cell and the first slot where, the cards (in grains) there.

    ``cell`` is -1 where the amount comes from several cells, or nothing is worth taking.
    """

    gain: Ints
    cell: Ints
    start: Ints
    grains: Ints


class Costs(NamedTuple):
    """For one duration: the cost of a card by (cell, first slot), and the least of each cell."""

    run: Ints
    least: Ints


class Parts(NamedTuple):
    """The cells that may serve a part of one want: rate of a card, units there at most, unit costs."""

    cell: Ints
    rate: Ints
    room: Ints
    unit: Ints


class Dual:
    """The dual of one market over one partition of its offers into cells.

    With a ``weight`` each request counts for so many that are like it: the value of a sample is no bound.
    """

    def __init__(self, supplied: Supply, wanted: Demand, cells: Cells, lists: Lists, weight: int = 1) -> None:
        self.supplied, self.wanted, self.cells, self.lists = supplied, wanted, cells, lists
        self.weight = weight
        count, slots = cells.reach.shape
        self.asked = np.zeros((count, slots + 1), dtype=np.int64)
        self.offered = np.zeros((count, slots), dtype=np.int64)
        wants = wanted.kind.size
        self.choices = Choices(*(np.zeros(wants, dtype=np.int64) for _ in Choices._fields))
        self.chosen = np.zeros(wanted.first.size - 1, dtype=np.int64)
        self._groups = _by_duration(wanted)
        self._shares = _even_shares(self._groups)

    def value(self, prices: Ints) -> int:
        """The bound at shadow ``prices`` (cells, slots), micro-units of the base currency.

        Leaves in ``asked`` the grains of cards that requests would take, and in ``offered`` the cards
        that offers would sell, in each cell and slot.
        """
        running = windows.running(prices)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda share: self._sweep(running, share), self._shares))
        best = _choose(self.wanted.first, self.choices.gain, self.chosen)
        self.asked[:] = 0
        _ask(self.wanted, self.lists, self.cells, running, self.choices, self.chosen, self.asked)
        self.asked *= self.weight
        rent = _rent(self.supplied, self.cells.first, prices, self.offered)
        return int(best) * self.weight + int(rent)

    def _sweep(self, running: Ints, share: Sequence[int]) -> None:
        costs = Costs(np.empty_like(self.cells.reach), np.empty(self.cells.peak.size, dtype=np.int64))
        for index in share:
            wants = self._groups[index]
            duration = _run_length(self.wanted, int(wants[0]))
            _run_costs(running, self.cells.reach, duration, costs)
            _best_choices(wants, duration, self.wanted, self.lists, self.cells, costs, self.choices)


def _run_length(wanted: Demand, want: int) -> int:
    """Slots that the want's cards run together: one where the work is divisible."""
    return 1 if wanted.kind[want] == DIVISIBLE else int(wanted.duration[want])


def _by_duration(wanted: Demand) -> list[Ints]:
    """Wants with the same run length, in groups."""
    lengths = np.where(wanted.kind == DIVISIBLE, 1, wanted.duration)
    order = np.argsort(lengths, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if order.size else []


def _even_shares(groups: list[Ints]) -> list[list[int]]:
    """The groups dealt to the threads, the largest first, each to the one with least to do."""
    shares: list[list[int]] = [[] for _ in range(THREADS)]
    load = [0] * THREADS
    for index in sorted(range(len(groups)), key=lambda index: -groups[index].size):
        thread = load.index(min(load))
        shares[thread].append(index)
        load[thread] += groups[index].size
    return shares


@compiled
def _run_costs(running: Ints, reach: Ints, duration: int, costs: Costs) -> None:
    slots = reach.shape[1]
    for cell in range(reach.shape[0]):
        least = NEVER
        for start in range(slots - duration + 1):
            cost = NEVER
            if reach[cell, start] >= start + duration:
                cost = running[cell, start + duration] - running[cell, start]
            costs.run[cell, start] = cost
            least = min(least, cost)
        costs.least[cell] = least


@compiled
def _best_choices(
    wants: Ints, duration: int, wanted: Demand, lists: Lists, cells: Cells, costs: Costs, choices: Choices
) -> None:
    run, least = costs.run, costs.least
    parts = _parts(cells.peak.size)
    for want in wants:
        earliest, last = wanted.earliest[want], wanted.deadline[want] - duration
        _one_cell(want, earliest, last, wanted, lists, cells, run, least, choices)
        if wanted.kind[want] != MIXED:
            continue
        count = _read_parts(want, wanted, lists, cells, parts)
        if count:
            _several_cells(want, earliest, last, count, wanted, parts, run, least, choices)


@compiled
def _one_cell(
    want: int,
    earliest: int,
    last: int,
    wanted: Demand,
    lists: Lists,
    cells: Cells,
    run: Ints,
    least: Ints,
    choices: Choices,
) -> None:
    """The best that the want can do in one cell that may hold all of it."""
    kind, amount, worth = wanted.kind[want], wanted.amount[want], wanted.worth[want]
    rates, gang = wanted.rate[want], wanted.part[want]
    entry_cell, entry_lot, entry_room = lists.cell, lists.lot, lists.room
    entry_common = lists.common
    model, peak = cells.model, cells.peak
    best, chosen, begun, taken = 0, -1, 0, 0
    of = lists.of[want]
    for entry in range(lists.first[of], lists.first[of + 1]):
        cell = entry_cell[entry]
        grains = _grains_needed(
            kind,
            amount,
            rates[model[cell]],
            gang[model[cell]],
            entry_lot[entry],
            entry_common[entry],
            entry_room[entry],
            peak[cell],
        )
        if grains == 0:
            continue
        ceiling = ((worth - best) << GRAIN_BITS) // grains + 1
        if least[cell] >= ceiling:
            continue
        lowest, at = NEVER, 0
        for start in range(earliest, last + 1):
            if run[cell, start] < lowest:
                lowest, at = run[cell, start], start
        if lowest < ceiling:
            gain = worth - ((grains * lowest) >> GRAIN_BITS)
            if gain > best:
                best, chosen, begun, taken = gain, cell, at, grains
    choices.gain[want], choices.cell[want] = best, chosen
    choices.start[want], choices.grains[want] = begun, taken


@compiled
def _grains_needed(
    kind: int, amount: int, rate: int, gang: int, lot: int, common: int, room: int, peak: int
) -> int:
    """Grains of cards at least that fill the amount from one cell alone; 0 where it cannot hold them."""
    if rate == 0:
        return 0
    if kind == GANGS:
        cards = max((gang + common - 1) // common * common, lot)
        return (cards * amount) << GRAIN_BITS if cards <= peak else 0
    grains = max((amount << GRAIN_BITS) // rate, 1)
    a_lot = lot << GRAIN_BITS
    if kind == DIVISIBLE or a_lot >= grains or (room << GRAIN_BITS) >= grains:
        return max(grains, a_lot)
    return 0


@compiled
def _parts(most: int) -> Parts:
    return Parts(
        np.empty(most, dtype=np.int64),
        np.empty(most, dtype=np.int64),
        np.empty(most, dtype=np.int64),
        np.empty(most, dtype=np.int64),
    )


@compiled
def _read_parts(want: int, wanted: Demand, lists: Lists, cells: Cells, parts: Parts) -> int:
    """The cells that may serve a part of the amount; how many, 0 where all of them are too few."""
    amount, rates, model = wanted.amount[want], wanted.rate[want], cells.model
    entry_cell, entry_lot, entry_room = lists.cell, lists.lot, lists.room
    cell_of, rate_of, room_of = parts.cell, parts.rate, parts.room
    of = lists.of[want]
    count, have = 0, 0
    for entry in range(lists.first[of], lists.first[of + 1]):
        cell = entry_cell[entry]
        rate = rates[model[cell]]
        if rate > 0 and entry_room[entry] > 0 and entry_lot[entry] * rate < amount:
            cell_of[count], rate_of[count] = cell, rate
            room_of[count] = entry_room[entry] * rate
            have += room_of[count]
            count += 1
    return count if have >= wanted.least[want] else 0


@compiled
def _fine(worth: int) -> int:
    return FINE if worth < 1 << 42 else COARSE


@compiled
def _unit_cost(cost: int, rate: int, bits: int) -> int:
    """The cost of a unit of the amount, rounded down, with ``bits`` after the point."""
    if cost >= NEVER:
        return NEVER
    return (min(cost, (1 << (62 - bits)) - 1) << bits) // rate


@compiled
def _several_cells(
    want: int,
    earliest: int,
    last: int,
    count: int,
    wanted: Demand,
    parts: Parts,
    run: Ints,
    least: Ints,
    choices: Choices,
) -> None:
    """The best that the want can do with parts from several cells, if that is better."""
    amount, fewest, worth = wanted.amount[want], wanted.least[want], wanted.worth[want]
    cell_of, rate_of, room_of, unit_of = parts.cell, parts.rate, parts.room, parts.unit
    bits = _fine(worth)
    best = choices.gain[want]
    # A unit cost at which the whole amount gains no more than what is had already.
    useless = ((worth - best) << bits) // amount + 1
    lowest = NEVER
    for part in range(count):
        lowest = min(lowest, _unit_cost(least[cell_of[part]], rate_of[part], bits))
    if lowest >= useless:
        return
    for start in range(earliest, last + 1):
        lowest = NEVER
        for part in range(count):
            unit_of[part] = _unit_cost(run[cell_of[part], start], rate_of[part], bits)
            lowest = min(lowest, unit_of[part])
        if lowest >= useless:
            continue
        gain = _mix(amount, fewest, worth, bits, count, unit_of, room_of)
        if gain > best:
            best = gain
            useless = ((worth - best) << bits) // amount + 1
            choices.gain[want], choices.cell[want], choices.start[want] = gain, -1, start


@compiled
def _mix(amount: int, fewest: int, worth: int, bits: int, count: int, unit_of: Ints, room_of: Ints) -> int:
    """What is gained by taking the cheapest units first, as much as each cell has; spoils ``unit_of``."""
    enough = (worth << bits) // amount
    filled, cost = 0, 0
    while filled < amount:
        part = _cheapest(count, unit_of)
        unit = unit_of[part]
        if unit >= NEVER or (unit > enough and filled >= fewest):
            break
        unit_of[part] = NEVER
        units = min((amount if unit <= enough else fewest) - filled, room_of[part])
        if unit > (1 << 62) // units:
            return 0
        cost += (unit * units) >> bits
        if cost >= worth:
            return 0
        filled += units
    if filled < fewest:
        return 0
    if filled == amount:
        return worth - cost
    share = ((filled << bits) + amount - 1) // amount
    return ((worth * share) >> bits) + 1 - cost


@compiled
def _cheapest(count: int, unit_of: Ints) -> int:
    found = 0
    for part in range(1, count):
        if unit_of[part] < unit_of[found]:
            found = part
    return found


@compiled
def _choose(first: Ints, gain: Ints, chosen: Ints) -> int:
    """For each request the want that gains most, -1 where none gains; the sum of their gains."""
    total = 0
    for request in range(first.size - 1):
        best, chosen[request] = 0, -1
        for want in range(first[request], first[request + 1]):
            if gain[want] > best:
                best, chosen[request] = gain[want], want
        total += best
    return total


@compiled
def _ask(
    wanted: Demand, lists: Lists, cells: Cells, running: Ints, choices: Choices, chosen: Ints, asked: Ints
) -> None:
    """Add up what the chosen wants would take, in grains by cell and slot."""
    parts = _parts(cells.peak.size)
    for want in chosen:
        if want < 0:
            continue
        start = choices.start[want]
        end = start + (1 if wanted.kind[want] == DIVISIBLE else wanted.duration[want])
        if choices.cell[want] >= 0:
            asked[choices.cell[want], start] += choices.grains[want]
            asked[choices.cell[want], end] -= choices.grains[want]
        else:
            count = _read_parts(want, wanted, lists, cells, parts)
            _ask_in_parts(
                wanted.amount[want],
                wanted.least[want],
                wanted.worth[want],
                start,
                end,
                count,
                parts,
                cells.reach,
                running,
                asked,
            )
    for cell in range(asked.shape[0]):
        for slot in range(1, asked.shape[1]):
            asked[cell, slot] += asked[cell, slot - 1]


@compiled
def _ask_in_parts(
    amount: int,
    fewest: int,
    worth: int,
    start: int,
    end: int,
    count: int,
    parts: Parts,
    reach: Ints,
    running: Ints,
    asked: Ints,
) -> None:
    """The parts of ``_mix`` once more, now to say where they are taken."""
    cell_of, rate_of, room_of, unit_of = parts.cell, parts.rate, parts.room, parts.unit
    bits = _fine(worth)
    for part in range(count):
        cell = cell_of[part]
        cost = running[cell, end] - running[cell, start] if reach[cell, start] >= end else NEVER
        unit_of[part] = _unit_cost(cost, rate_of[part], bits)
    enough = (worth << bits) // amount
    filled = 0
    while filled < amount:
        part = _cheapest(count, unit_of)
        unit = unit_of[part]
        if unit >= NEVER or (unit > enough and filled >= fewest):
            break
        unit_of[part] = NEVER
        units = min((amount if unit <= enough else fewest) - filled, room_of[part])
        grains = (units << GRAIN_BITS) // rate_of[part]
        asked[cell_of[part], start] += grains
        asked[cell_of[part], end] -= grains
        filled += units


@compiled
def _rent(supplied: Supply, first: Ints, prices: Ints, offered: Ints) -> int:
    """What the offers gain by selling wherever the price is above their cost."""
    free, cost = supplied.free, supplied.cost
    rent = 0
    offered[:] = 0
    for cell in range(first.size - 1):
        for row in range(first[cell], first[cell + 1]):
            for slot in range(prices.shape[1]):
                margin = prices[cell, slot] - cost[row, slot]
                if margin > 0 and free[row, slot] > 0:
                    rent += free[row, slot] * margin
                    offered[cell, slot] += free[row, slot]
    return rent
