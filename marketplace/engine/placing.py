"""Putting requests on cards, and taking them off again: the moves that the search is made of.

Placements here are sound in everything but prices: cards, windows, lots and gangs are kept, and each
request gains on its own. Prices, limits and groups are looked at afterwards (see ``book``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import (
    DIVISIBLE,
    GANGS,
    NEVER,
    Bytes,
    Cells,
    Demand,
    Lists,
    Supply,
    serves,
)
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words, draw

MOST_TAKES = 32
"""Offers that one request may be spread over."""

MOST_ROWS = 256
"""Offers that are looked at for one want."""

UNIT_BITS = 10
"""Bits after the point of the unit costs by which offers are ordered."""


class Guide(NamedTuple):
    """What the search looks at and never changes.

    ``cost`` and ``price`` are running totals over slots, by row, of what a card-hour costs and of what
    it costs others (its shadow price, or its cost where that is higher). ``lists`` are the cells worth
    looking at for each want, the most promising first.
    """

    supply: Supply
    demand: Demand
    bits: Bytes
    cells: Cells
    lists: Lists
    cost: Ints
    price: Ints


class State(NamedTuple):
    """Who holds which cards. ``want`` is -1 for a request that is not placed.

    ``row`` and ``cards`` have a column a take. Takes of one row form a list: ``head`` by row, ``after``
    and ``before`` by take (request * MOST_TAKES + number of the take), -1 where it ends.
    """

    free: Ints
    want: Ints
    start: Ints
    slots: Ints
    takes: Ints
    row: Ints
    cards: Ints
    gain: Ints
    head: Ints
    after: Ints
    before: Ints


class Draft(NamedTuple):
    """A placement in the making, and room to compose it in.

    ``found`` holds want, start, slots and number of takes of the best one so far. ``overlooked`` (one
    figure) is how likely an offer is not looked at, in 1/1024.
    """

    found: Ints
    row: Ints
    cards: Ints
    trial_row: Ints
    trial_cards: Ints
    trial_index: Ints
    rows: Ints
    steps: Ints
    yields: Ints
    has: Ints
    costs: Ints
    units: Ints
    window: Ints
    luck: Words
    overlooked: Ints


def state(guide: Guide) -> State:
    """Nobody placed."""
    requests, rows = guide.demand.first.size - 1, guide.supply.lot.size

    def filled(size: int, value: int) -> Ints:
        return np.full(size, value, dtype=np.int64)

    return State(
        free=guide.supply.free.copy(),
        want=filled(requests, -1),
        start=filled(requests, 0),
        slots=filled(requests, 0),
        takes=filled(requests, 0),
        row=np.zeros((requests, MOST_TAKES), dtype=np.int64),
        cards=np.zeros((requests, MOST_TAKES), dtype=np.int64),
        gain=filled(requests, 0),
        head=filled(rows, -1),
        after=filled(requests * MOST_TAKES, -1),
        before=filled(requests * MOST_TAKES, -1),
    )


def draft(guide: Guide) -> Draft:
    slots = guide.supply.free.shape[1]
    return Draft(
        found=np.zeros(4, dtype=np.int64),
        row=np.zeros(MOST_TAKES, dtype=np.int64),
        cards=np.zeros(MOST_TAKES, dtype=np.int64),
        trial_row=np.zeros(MOST_TAKES, dtype=np.int64),
        trial_cards=np.zeros(MOST_TAKES, dtype=np.int64),
        trial_index=np.zeros(MOST_TAKES, dtype=np.int64),
        rows=np.zeros(MOST_ROWS, dtype=np.int64),
        steps=np.zeros(MOST_ROWS, dtype=np.int64),
        yields=np.zeros(MOST_ROWS, dtype=np.int64),
        has=np.zeros((MOST_ROWS, slots), dtype=np.int64),
        costs=np.zeros((MOST_ROWS, slots), dtype=np.int64),
        units=np.zeros(MOST_ROWS, dtype=np.int64),
        window=np.zeros(slots, dtype=np.int64),
        luck=np.ones(1, dtype=np.uint64),
        overlooked=np.zeros(1, dtype=np.int64),
    )


@compiled
def insert(guide: Guide, state: State, draft: Draft, request: int, thorough: bool) -> int:
    """Place a request where it gains most at shadow prices; what it gains in truth, 0 if nowhere.

    ``thorough`` looks for a mix or a part even where one offer could serve all of it.
    """
    demand, best = guide.demand, 0
    draft.found[0] = -1
    for want in range(demand.first[request], demand.first[request + 1]):
        if demand.kind[want] == DIVISIBLE:
            slots = demand.deadline[want] - demand.earliest[want]
            while slots >= 1:
                best = _try(guide, state, draft, want, slots, best, thorough)
                slots //= 2
        else:
            best = _try(guide, state, draft, want, demand.duration[want], best, thorough)
    if draft.found[0] < 0:
        return 0
    return put(guide, state, draft, request)


@compiled
def _try(guide: Guide, state: State, draft: Draft, want: int, slots: int, best: int, thorough: bool) -> int:
    """Draft the best placement of a want over so many slots if it gains more than ``best``."""
    demand = guide.demand
    kind, alone = demand.kind[want], demand.alone[want]
    amount = _at_once(demand.amount[want], kind, slots)
    gain = _whole_on_one_row(guide, state.free, draft, want, slots, amount, best)
    served = gain > best and not thorough
    if served or kind == DIVISIBLE or (kind == GANGS and amount == 1):
        return gain
    least = _at_once(demand.least[want], kind, slots)
    gathered = _gather(guide, state.free, draft, want, slots)
    if alone == 1:
        return _part_on_one_row(guide, draft, want, slots, gathered, amount, least, gain)
    return _from_several_rows(guide, draft, want, slots, gathered, amount, least, gain)


@compiled
def _at_once(amount: int, kind: int, slots: int) -> int:
    """The units that are needed at once over ``slots``."""
    return (amount + slots - 1) // slots if kind == DIVISIBLE else amount


@compiled
def _note(draft: Draft, want: int, start: int, slots: int, takes: int) -> None:
    draft.found[0], draft.found[1] = want, start
    draft.found[2], draft.found[3] = slots, takes


@compiled
def _step(kind: int, part: int, lot: int) -> int:
    """The cards that an offer can sell at a time: a lot, or a gang in whole lots."""
    return (part + lot - 1) // lot * lot if kind == GANGS else lot


@compiled
def _step_units(kind: int, step: int, rate: int) -> int:
    """The units that a step does: one gang, or the work of its cards."""
    return 1 if kind == GANGS else step * rate


@compiled
def _overlooks(luck: Words, overlooked: int) -> bool:
    """Whether an offer is not looked at this time."""
    return overlooked > 0 and draw(luck, 1024) < overlooked


@compiled
def _whole_on_one_row(
    guide: Guide, free: Ints, draft: Draft, want: int, slots: int, amount: int, best: int
) -> int:
    """The best placement of the whole amount on one offer; of equals the one that leaves least idle."""
    supply, demand, bits, price = guide.supply, guide.demand, guide.bits, guide.price
    lots, minimum, size, model = supply.lot, supply.minimum, supply.size, supply.model
    borders, entry_cell = guide.cells.first, guide.lists.cell
    rates, parts = demand.rate[want], demand.part[want]
    kind, profile, worth = demand.kind[want], demand.profile[want], demand.worth[want]
    earliest, deadline = demand.earliest[want], demand.deadline[want]
    shortest = slots if kind == DIVISIBLE else NEVER
    tightest, found = NEVER, False
    luck, overlooked = draft.luck, draft.overlooked[0]
    for entry in range(guide.lists.first[want], guide.lists.first[want + 1]):
        cell = entry_cell[entry]
        for row in range(borders[cell], borders[cell + 1]):
            if not serves(bits, profile, row) or minimum[row] > shortest or _overlooks(luck, overlooked):
                continue
            step = _step(kind, parts[model[row]], lots[row])
            units = _step_units(kind, step, rates[model[row]])
            cards = (amount + units - 1) // units * step
            if cards > size[row]:
                continue
            highest = (worth - best) // cards
            unbroken = 0
            for slot in range(earliest, deadline):
                unbroken = unbroken + 1 if free[row, slot] >= cards else 0
                if unbroken < slots:
                    continue
                cost = price[row, slot + 1] - price[row, slot + 1 - slots]
                if cost > highest:
                    continue
                gain, idle = worth - cards * cost, free[row, slot] - cards
                if gain > best or (found and gain == best and idle < tightest):
                    best, tightest, highest, found = gain, idle, cost, True
                    _note(draft, want, slot + 1 - slots, slots, 1)
                    draft.row[0], draft.cards[0] = row, cards
    return best


@compiled
def _gather(guide: Guide, free: Ints, draft: Draft, want: int, slots: int) -> int:
    """Rows in which the want may look and that have a step free in some run; how many they are.

    Fills, by row, ``rows`` with its number, cards and units of a step in ``steps`` and ``yields``; by row
    and first slot, ``has`` with the cards free over the whole run, in steps, and ``costs`` of one.
    """
    supply, demand, bits, price = guide.supply, guide.demand, guide.bits, guide.price
    lots, minimum, size, model = supply.lot, supply.minimum, supply.size, supply.model
    borders, entry_cell = guide.cells.first, guide.lists.cell
    rates, parts = demand.rate[want], demand.part[want]
    kind, profile = demand.kind[want], demand.profile[want]
    earliest, deadline = demand.earliest[want], demand.deadline[want]
    shortest = slots if kind == DIVISIBLE else NEVER
    has, costs, window = draft.has, draft.costs, draft.window
    luck, overlooked = draft.luck, draft.overlooked[0]
    count = 0
    for entry in range(guide.lists.first[want], guide.lists.first[want + 1]):
        cell = entry_cell[entry]
        for row in range(borders[cell], borders[cell + 1]):
            if count == MOST_ROWS:
                return count
            if not serves(bits, profile, row) or minimum[row] > shortest or _overlooks(luck, overlooked):
                continue
            step = _step(kind, parts[model[row]], lots[row])
            if step > size[row] or not _smallest(
                free[row], earliest, deadline, slots, step, window, has[count]
            ):
                continue
            for start in range(earliest, deadline - slots + 1):
                costs[count, start - earliest] = price[row, start + slots] - price[row, start]
            draft.rows[count], draft.steps[count] = row, step
            draft.yields[count] = _step_units(kind, step, rates[model[row]])
            count += 1
    return count


@compiled
def _smallest(
    free: Ints, earliest: int, deadline: int, slots: int, step: int, window: Ints, has: Ints
) -> bool:
    """Fill ``has`` with the cards free throughout each run, in whole steps; whether any run has one.

    The smallest of every run by doubling: of two, of four, and so on, overlapping at the end.
    """
    length, some = deadline - earliest, False
    for index in range(length):
        window[index] = free[earliest + index]
    width = 1
    while width < slots:
        shift = min(width, slots - width)
        for index in range(length - width - shift + 1):
            window[index] = min(window[index], window[index + shift])
        width += shift
    for index in range(length - slots + 1):
        has[index] = window[index] // step * step if window[index] >= step else 0
        some = some or has[index] > 0
    return some


@compiled
def _part_of_worth(worth: int, units: int, amount: int) -> int:
    """``worth * units / amount``, rounded down by less than a millionth of the worth."""
    if units >= amount:
        return worth
    return int(worth * (units / amount))


@compiled
def _part_on_one_row(
    guide: Guide, draft: Draft, want: int, slots: int, gathered: int, amount: int, least: int, best: int
) -> int:
    """The best placement of a part of the amount on one offer, as much as it has."""
    worth, earliest = guide.demand.worth[want], guide.demand.earliest[want]
    runs = guide.demand.deadline[want] - earliest - slots + 1
    for index in range(gathered):
        for run in range(runs):
            cards = draft.has[index, run]
            units = cards // draft.steps[index] * draft.yields[index]
            if cards == 0 or units < least or units >= amount:
                continue
            value = _part_of_worth(worth, units, amount)
            if draft.costs[index, run] >= value // cards:
                continue
            gain = value - cards * draft.costs[index, run]
            if gain > best:
                best = gain
                _note(draft, want, earliest + run, slots, 1)
                draft.row[0], draft.cards[0] = draft.rows[index], cards
    return best


@compiled
def _from_several_rows(
    guide: Guide, draft: Draft, want: int, slots: int, gathered: int, amount: int, least: int, best: int
) -> int:
    """The best placement from several offers over the same slots, the cheapest unit first."""
    worth, earliest = guide.demand.worth[want], guide.demand.earliest[want]
    has, costs, steps, yields, unit = draft.has, draft.costs, draft.steps, draft.yields, draft.units
    for run in range(guide.demand.deadline[want] - earliest - slots + 1):
        there, lowest = 0, NEVER
        for index in range(gathered):
            unit[index] = NEVER
            if has[index, run] > 0:
                there += has[index, run] // steps[index] * yields[index]
                step_cost = min(costs[index, run] * steps[index], NEVER >> UNIT_BITS)
                unit[index] = (step_cost << UNIT_BITS) // yields[index]
                lowest = min(lowest, unit[index])
        if there < least or lowest >= NEVER:
            continue
        if lowest < NEVER // amount and (lowest * amount >> UNIT_BITS) >= worth - best:
            continue
        gain, takes = _compose(draft, run, gathered, worth, amount, least)
        if gain > best:
            best = gain
            _note(draft, want, earliest + run, slots, takes)
            draft.row[:takes] = draft.trial_row[:takes]
            draft.cards[:takes] = draft.trial_cards[:takes]
    return best


@compiled
def _compose(draft: Draft, run: int, gathered: int, worth: int, amount: int, least: int) -> tuple[int, int]:
    """Take the cheapest units first; the gain at shadow prices and the number of takes (0: no fill)."""
    has, costs, steps, yields, unit = draft.has, draft.costs, draft.steps, draft.yields, draft.units
    missing, cost, takes = amount, 0, 0
    while missing > 0 and takes < MOST_TAKES:
        index = 0
        for other in range(1, gathered):
            if unit[other] < unit[index]:
                index = other
        if unit[index] >= NEVER:
            break
        unit[index] = NEVER
        cards = min((missing + yields[index] - 1) // yields[index] * steps[index], has[index, run])
        units = cards // steps[index] * yields[index]
        price = cards * costs[index, run]
        if amount - missing >= least and price >= _part_of_worth(worth, min(units, missing), amount):
            continue
        draft.trial_index[takes], draft.trial_cards[takes] = index, cards
        takes += 1
        missing -= units
        cost += price
        if cost >= worth:
            return 0, 0
    if amount - missing < least:
        return 0, 0
    cost -= _give_back(draft, run, takes, -missing)
    return _part_of_worth(worth, amount - max(missing, 0), amount) - cost, _close_up(draft, takes)


@compiled
def _give_back(draft: Draft, run: int, takes: int, idle: int) -> int:
    """Give back whole steps that the amount does not need, the dearest first; what that saves."""
    saved = 0
    for take in range(takes - 1, -1, -1):
        index = draft.trial_index[take]
        steps = min(max(idle, 0) // draft.yields[index], draft.trial_cards[take] // draft.steps[index])
        idle -= steps * draft.yields[index]
        draft.trial_cards[take] -= steps * draft.steps[index]
        saved += steps * draft.steps[index] * draft.costs[index, run]
    return saved


@compiled
def _close_up(draft: Draft, takes: int) -> int:
    """Drop takes without cards, and name the rows of the others; how many they are."""
    kept = 0
    for take in range(takes):
        if draft.trial_cards[take] > 0:
            draft.trial_row[kept] = draft.rows[draft.trial_index[take]]
            draft.trial_cards[kept] = draft.trial_cards[take]
            kept += 1
    return kept


@compiled
def put(guide: Guide, state: State, draft: Draft, request: int) -> int:
    """Place a request as drafted; its surplus."""
    demand, supply = guide.demand, guide.supply
    want, start, slots, takes = draft.found
    kind, free, total = demand.kind[want], state.free, guide.cost
    cost, units = 0, 0
    for take in range(takes):
        row, cards = draft.row[take], draft.cards[take]
        for slot in range(start, start + slots):
            free[row, slot] -= cards
        cost += cards * (total[row, start + slots] - total[row, start])
        step = _step(kind, demand.part[want, supply.model[row]], supply.lot[row])
        units += cards // step * _step_units(kind, step, demand.rate[want, supply.model[row]])
        state.row[request, take], state.cards[request, take] = row, cards
        link = request * MOST_TAKES + take
        behind = state.head[row]
        state.after[link], state.before[link] = behind, -1
        if behind >= 0:
            state.before[behind] = link
        state.head[row] = link
    state.want[request], state.start[request] = want, start
    state.slots[request], state.takes[request] = slots, takes
    amount = _at_once(demand.amount[want], kind, slots)
    state.gain[request] = _part_of_worth(demand.worth[want], units, amount) - cost
    return int(state.gain[request])


@compiled
def take_off(state: State, request: int) -> int:
    """Free the cards of a placed request; the surplus that it had."""
    start, end = state.start[request], state.start[request] + state.slots[request]
    for take in range(state.takes[request]):
        row = state.row[request, take]
        for slot in range(start, end):
            state.free[row, slot] += state.cards[request, take]
        link = request * MOST_TAKES + take
        before, after = state.before[link], state.after[link]
        if before >= 0:
            state.after[before] = after
        else:
            state.head[row] = after
        if after >= 0:
            state.before[after] = before
    gain = int(state.gain[request])
    state.want[request], state.takes[request], state.gain[request] = -1, 0, 0
    return gain
