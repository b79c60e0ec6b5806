"""Drafting a placement from several offers over the same slots.

The cheapest units are taken first, in whole steps, and before each offer it is asked what the rest would
cost from one offer alone: a small card or a small lot may do what is missing for less than one more step
of the cheapest. The best of all ends is kept, among them to stop where a part may be filled.
"""

from __future__ import annotations

from marketplace.engine.columns import NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    AMOUNT,
    DEADLINE,
    EARLIEST,
    KIND,
    LEAST,
    LOT,
    MODEL,
    MOST_COST,
    MOST_ROWS,
    MOST_TAKES,
    POWER,
    PROFILE,
    SIZE,
    UNIT_BITS,
    WORTH,
    Draft,
    Guide,
    note,
    overlooks,
    part_of_worth,
    powered,
    step_cards,
    step_units,
)
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words
from marketplace.engine.openings import may_open

UNIT, THERE, PRICE, YIELD = range(4)
"""``Draft.mix``, by offer gathered: what a unit costs (``NEVER`` once it is taken, or where there is none),
the units that there are over the run, what a step costs and how many units it does."""


@compiled
def gather(guide: Guide, free: Ints, openings: Words, draft: Draft, want: int, slots: int) -> int:
    """Rows in which the want may look and that have a step free in some run; how many they are.

    Fills, by row, ``rows`` with its number, cards and units of a step in ``steps`` and ``yields``; by row
    and first slot, ``has`` with the cards free over the whole run, in steps, and ``costs`` of one.
    """
    offers, bits, price, ranges, hours = guide.offers, guide.bits, guide.price, guide.ranges, draft.hours
    rates, parts, asked = guide.rate[want], guide.part[want], guide.wants[want]
    kind, profile = asked[KIND], asked[PROFILE]
    earliest, deadline = asked[EARLIEST], asked[DEADLINE]
    luck, overlooked = draft.luck, draft.overlooked[0]
    power = asked[POWER]
    has, costs, window = draft.has, draft.costs, draft.window
    count = 0
    for entry in range(guide.entries[want], guide.entries[want + 1]):
        for row in range(ranges[entry, 0], ranges[entry, 1]):
            if count == MOST_ROWS:
                return count
            if not serves(bits, profile, row) or overlooks(luck, overlooked):
                continue
            model = offers[row, MODEL]
            step = step_cards(kind, parts[model], offers[row, LOT])
            most = min(offers[row, SIZE], hours[row] // slots)
            if step > most or not may_open(openings, row, step, slots, earliest, deadline):
                continue
            there = free[row] if power == 0 else powered(guide.open[power - 1, row], free[row], draft.powered)
            if not _smallest(there, earliest, deadline, slots, step, most, window, has[count]):
                continue
            for start in range(earliest, deadline - slots + 1):
                costs[count, start - earliest] = price[row, start + slots] - price[row, start]
            draft.rows[count], draft.steps[count] = row, step
            draft.yields[count] = step_units(kind, step, rates[model])
            count += 1
    return count


@compiled
def _smallest(
    free: Ints, earliest: int, deadline: int, slots: int, step: int, most: int, window: Ints, has: Ints
) -> bool:
    """Fill ``has`` with the cards free throughout each run, in whole steps; whether any run has one.

    The smallest of every run by doubling: of two, of four, and so on, overlapping at the end.
    """
    length, some = deadline - earliest, False
    for index in range(length):
        window[index] = min(free[earliest + index], most)
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
def from_several_rows(guide: Guide, draft: Draft, want: int, slots: int, gathered: int, best: int) -> int:
    """The best placement from several of the gathered offers over the same slots."""
    asked, purse = guide.wants[want], draft.purse[0]
    worth, amount, least, earliest = asked[WORTH], asked[AMOUNT], asked[LEAST], asked[EARLIEST]
    has, costs, steps, yields = draft.has, draft.costs, draft.steps, draft.yields
    mix, path, kept = draft.mix[:gathered], draft.paths[0], draft.paths[1]
    for run in range(asked[DEADLINE] - earliest - slots + 1):
        enough, lowest = 0, NEVER
        for index in range(gathered):
            mix[index, UNIT] = NEVER
            if has[index, run] > 0:
                mix[index, YIELD] = yields[index]
                mix[index, THERE] = has[index, run] // steps[index] * yields[index]
                enough += mix[index, THERE]
                price = min(costs[index, run] * steps[index], NEVER >> UNIT_BITS)
                mix[index, PRICE], mix[index, UNIT] = price, (price << UNIT_BITS) // yields[index]
                lowest = min(lowest, mix[index, UNIT])
        if enough < least or lowest > MOST_COST // amount or lowest * amount >> UNIT_BITS >= worth - best:
            continue
        gain, takes = _compose(mix, path, kept, asked, purse, best)
        if gain > best:
            best = gain
            draft.found[0], draft.found[1] = want, takes
            for take in range(takes):
                index = kept[take, 0]
                note(
                    draft.takes[take], draft.rows[index], kept[take, 1] * steps[index], earliest + run, slots
                )
    return best


@compiled
def _compose(mix: Ints, path: Ints, kept: Ints, asked: Ints, purse: int, best: int) -> tuple[int, int]:
    """The best mix in one run if it gains more than ``best``, and its number of takes; spoils ``mix``."""
    worth, amount, least = asked[WORTH], asked[AMOUNT], asked[LEAST]
    worth_of_unit = (worth << UNIT_BITS) // amount
    goal, filled, cost, takes, found = amount, 0, 0, 0, 0
    while takes < MOST_TAKES and filled < goal:
        missing = goal - filled
        index = _cheapest(mix, missing)
        if index >= 0:
            unit = mix[index, UNIT]
            if goal > least and unit >= worth_of_unit:
                # More of it costs more than it is worth: no more than must be.
                goal = least
                continue
            if _hope(asked, unit, filled, missing) - cost <= best:
                break
        if index < 0 or mix[index, THERE] >= missing:
            best, found = _end(mix, path, kept, asked, purse, takes, missing, cost, best, found)
        if index < 0:
            break
        mix[index, UNIT] = NEVER
        price, units = mix[index, PRICE], mix[index, YIELD]
        fitting = _fitting(mix[index, THERE], price, units, missing, purse - cost)
        if fitting == 0:
            continue
        path[takes, 0], path[takes, 1] = index, fitting
        takes, filled, cost = takes + 1, filled + fitting * units, cost + fitting * price
        if filled >= least and (filled == amount or least < amount):
            best, found = _keep(mix, path, kept, takes, worth, amount, best, found)
        if fitting > 1 and filled < goal < filled + units:
            # One step less of it may go better with what does the rest.
            path[takes - 1, 1] -= 1
            missing = goal - filled + units
            best, found = _end(mix, path, kept, asked, purse, takes, missing, cost - price, best, found)
            path[takes - 1, 1] += 1
    return best, found


@compiled
def _cheapest(mix: Ints, missing: int) -> int:
    """The offer with the cheapest unit of which a step does no more than is missing; -1 if there is none."""
    found, lowest = -1, NEVER
    for index in range(mix.shape[0]):
        if mix[index, UNIT] < lowest and mix[index, YIELD] <= missing:
            found, lowest = index, mix[index, UNIT]
    return found


@compiled
def _hope(asked: Ints, unit: int, filled: int, missing: int) -> int:
    """What a mix is worth at most, less what is missing, if a unit of that costs no less than ``unit``."""
    worth, amount = asked[WORTH], asked[AMOUNT]
    if unit > MOST_COST // missing:
        return -1
    if asked[LEAST] == amount:
        return int(worth - (unit * missing >> UNIT_BITS))
    margin = max((worth << UNIT_BITS) // amount + 1 - unit, 0)
    return int(part_of_worth(worth, filled, amount) + (margin * missing >> UNIT_BITS) + 1)


@compiled
def _fitting(there: int, price: int, units: int, missing: int, left: int) -> int:
    """How many steps of an offer do no more than is missing, within what may be paid."""
    fitting = min(missing, there) // units
    return min(fitting, left // price) if price > 0 else fitting


@compiled
def _end(
    mix: Ints,
    path: Ints,
    kept: Ints,
    asked: Ints,
    purse: int,
    takes: int,
    missing: int,
    cost: int,
    best: int,
    found: int,
) -> tuple[int, int]:
    """Keep the path and the one offer that does the rest for least, if they gain more than ``best``."""
    last = _last(mix, missing, min(asked[WORTH] - best, purse + 1) - cost)
    if last < 0:
        return best, found
    path[takes, 0], path[takes, 1] = last, (missing + mix[last, YIELD] - 1) // mix[last, YIELD]
    return _keep(mix, path, kept, takes + 1, asked[WORTH], asked[AMOUNT], best, found)


@compiled
def _last(mix: Ints, missing: int, room: int) -> int:
    """The one offer where what is missing costs least, if it costs less than ``room``; else -1."""
    found, lowest, highest = -1, room, min(MOST_COST // missing, NEVER - 1)
    for index in range(mix.shape[0]):
        unit = mix[index, UNIT]
        if unit > highest or mix[index, THERE] < missing or unit * missing >> UNIT_BITS >= lowest:
            continue
        cost = (missing + mix[index, YIELD] - 1) // mix[index, YIELD] * mix[index, PRICE]
        if cost < lowest:
            found, lowest = index, cost
    return found


@compiled
def _keep(
    mix: Ints, path: Ints, kept: Ints, takes: int, worth: int, amount: int, best: int, found: int
) -> tuple[int, int]:
    """Keep the path, without what is not needed, if it gains more than ``best``; gain and takes."""
    filled, cost = 0, 0
    for take in range(takes):
        filled += path[take, 1] * mix[path[take, 0], YIELD]
        cost += path[take, 1] * mix[path[take, 0], PRICE]
    gain = part_of_worth(worth, filled, amount) - cost
    if gain <= best or takes > MOST_TAKES:
        return best, found
    idle, found = filled - amount, 0
    for take in range(takes - 1, -1, -1):
        index, steps = path[take, 0], path[take, 1]
        spare = min(max(idle, 0) // mix[index, YIELD], steps)
        idle -= spare * mix[index, YIELD]
        gain += spare * mix[index, PRICE]
        if steps > spare:
            kept[found, 0], kept[found, 1] = index, steps - spare
            found += 1
    return gain, found
