"""Drafting a placement from several offers over the same slots.

The cheapest units are taken first, in whole steps, and before each offer it is asked what the rest would
cost from one offer alone: a small card or a small lot may do what is missing for less than one more step
of the cheapest. The best of all ends is kept, among them to stop where a part may be filled.
"""

from __future__ import annotations

from marketplace.engine.columns import NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    DEADLINE,
    EARLIEST,
    KIND,
    LOT,
    MODEL,
    MOST_COST,
    MOST_ROWS,
    MOST_TAKES,
    PROFILE,
    SIZE,
    UNIT_BITS,
    WORTH,
    Draft,
    Guide,
    note,
    overlooks,
    part_of_worth,
    step_cards,
    step_units,
)
from marketplace.engine.facts import Ints


@compiled
def gather(guide: Guide, free: Ints, draft: Draft, want: int, slots: int) -> int:
    """Rows in which the want may look and that have a step free in some run; how many they are.

    Fills, by row, ``rows`` with its number, cards and units of a step in ``steps`` and ``yields``; by row
    and first slot, ``has`` with the cards free over the whole run, in steps, and ``costs`` of one.
    """
    offers, bits, price, ranges, hours = guide.offers, guide.bits, guide.price, guide.ranges, draft.hours
    rates, parts, asked = guide.rate[want], guide.part[want], guide.wants[want]
    kind, profile = asked[KIND], asked[PROFILE]
    earliest, deadline = asked[EARLIEST], asked[DEADLINE]
    luck, overlooked = draft.luck, draft.overlooked[0]
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
            if step > most or not _smallest(
                free[row], earliest, deadline, slots, step, most, window, has[count]
            ):
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
def from_several_rows(
    guide: Guide, draft: Draft, want: int, slots: int, gathered: int, amount: int, least: int, best: int
) -> int:
    """The best placement from several of the gathered offers over the same slots."""
    worth, earliest, purse = guide.wants[want, WORTH], guide.wants[want, EARLIEST], draft.purse[0]
    has, costs, steps, yields = draft.has, draft.costs, draft.steps, draft.yields
    unit, there, price = draft.mix[0], draft.mix[1], draft.mix[2]
    path, kept = draft.paths[0], draft.paths[1]
    for run in range(guide.wants[want, DEADLINE] - earliest - slots + 1):
        enough, lowest = 0, NEVER
        for index in range(gathered):
            unit[index] = NEVER
            if has[index, run] > 0:
                there[index] = has[index, run] // steps[index] * yields[index]
                enough += there[index]
                price[index] = min(costs[index, run] * steps[index], NEVER >> UNIT_BITS)
                unit[index] = (price[index] << UNIT_BITS) // yields[index]
                lowest = min(lowest, unit[index])
        if enough < least or lowest > MOST_COST // amount or lowest * amount >> UNIT_BITS >= worth - best:
            continue
        gain, takes = _compose(
            unit, there, price, yields, path, kept, gathered, worth, amount, least, purse, best
        )
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
def _compose(
    unit: Ints,
    there: Ints,
    price: Ints,
    yields: Ints,
    path: Ints,
    kept: Ints,
    gathered: int,
    worth: int,
    amount: int,
    least: int,
    purse: int,
    best: int,
) -> tuple[int, int]:
    """The best mix in one run if it gains more than ``best``, and its number of takes; spoils ``unit``."""
    worth_of_unit = (worth << UNIT_BITS) // amount
    goal, filled, cost, takes, found = amount, 0, 0, 0, 0
    while takes < MOST_TAKES:
        missing = goal - filled
        index = _cheapest(unit, yields, gathered, missing)
        if index >= 0:
            if unit[index] >= worth_of_unit and least < amount:
                # More of it costs more than it is worth: no more than must be.
                if filled >= least:
                    break
                if goal > least:
                    goal = least
                    continue
            if unit[index] > MOST_COST // missing:
                break
            if least == amount:
                hope = worth - (unit[index] * missing >> UNIT_BITS)
            else:
                margin = max(worth_of_unit + 1 - unit[index], 0)
                hope = part_of_worth(worth, filled, amount) + (margin * missing >> UNIT_BITS) + 1
            if hope - cost <= best:
                break
        if index < 0 or there[index] >= missing:
            room = min(worth - best, purse + 1) - cost
            last = _last(unit, there, price, yields, gathered, missing, room)
            if last >= 0:
                path[takes, 0], path[takes, 1] = last, (missing + yields[last] - 1) // yields[last]
                best, found = _keep(price, yields, path, kept, takes + 1, worth, amount, best, found)
        if index < 0:
            break
        unit[index] = NEVER
        fitting = min(missing, there[index]) // yields[index]
        if price[index] > 0:
            fitting = min(fitting, (purse - cost) // price[index])
        if fitting == 0:
            continue
        path[takes, 0], path[takes, 1] = index, fitting
        takes += 1
        filled += fitting * yields[index]
        cost += fitting * price[index]
        if filled >= least and (filled == amount or least < amount):
            best, found = _keep(price, yields, path, kept, takes, worth, amount, best, found)
        if filled >= goal:
            break
        if fitting > 1 and filled + yields[index] > goal:
            # One step less of it may go better with what does the rest.
            room = min(worth - best, purse + 1) - cost + price[index]
            missing = goal - filled + yields[index]
            last = _last(unit, there, price, yields, gathered, missing, room)
            if last >= 0:
                path[takes - 1, 1] -= 1
                path[takes, 0], path[takes, 1] = last, (missing + yields[last] - 1) // yields[last]
                best, found = _keep(price, yields, path, kept, takes + 1, worth, amount, best, found)
                path[takes - 1, 1] += 1
    return best, found


@compiled
def _cheapest(unit: Ints, yields: Ints, gathered: int, missing: int) -> int:
    """The offer with the cheapest unit of which a step does no more than is missing; -1 if there is none."""
    found, lowest = -1, NEVER
    for index in range(gathered):
        if unit[index] < lowest and yields[index] <= missing:
            found, lowest = index, unit[index]
    return found


@compiled
def _last(unit: Ints, there: Ints, price: Ints, yields: Ints, gathered: int, missing: int, room: int) -> int:
    """The one offer where what is missing costs least, if it costs less than ``room``; else -1."""
    found, lowest, highest = -1, room, min(MOST_COST // missing, NEVER - 1)
    for index in range(gathered):
        if there[index] < missing or unit[index] > highest or unit[index] * missing >> UNIT_BITS >= lowest:
            continue
        cost = (missing + yields[index] - 1) // yields[index] * price[index]
        if cost < lowest:
            found, lowest = index, cost
    return found


@compiled
def _keep(
    price: Ints,
    yields: Ints,
    path: Ints,
    kept: Ints,
    takes: int,
    worth: int,
    amount: int,
    best: int,
    found: int,
) -> tuple[int, int]:
    """Keep the path, without what is not needed, if it gains more than ``best``; gain and takes."""
    filled, cost = 0, 0
    for take in range(takes):
        filled += path[take, 1] * yields[path[take, 0]]
        cost += path[take, 1] * price[path[take, 0]]
    gain = part_of_worth(worth, filled, amount) - cost
    if gain <= best or takes > MOST_TAKES:
        return best, found
    idle, found = filled - amount, 0
    for take in range(takes - 1, -1, -1):
        index, steps = path[take, 0], path[take, 1]
        spare = min(max(idle, 0) // yields[index], steps)
        idle -= spare * yields[index]
        gain += spare * price[index]
        if steps > spare:
            kept[found, 0], kept[found, 1] = index, steps - spare
            found += 1
    return gain, found
