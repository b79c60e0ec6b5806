"""Drafting divisible work: runs on several offers, one after the other and beside each other.

A *piece* is a run of an offer's minimum duration, with as many cards as it has, or one hour more at the end
of a run that is there. The piece with the cheapest unit is taken, again and again; before a piece that
would do more than is missing it is asked which single piece does the rest for least. Work that goes on
without a pause grows from a first piece, only by pieces that touch what is there; it is begun in several
parts of the window, and the best is kept.
"""

from __future__ import annotations

from marketplace.engine.columns import NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    AMOUNT,
    CARDS,
    DEADLINE,
    EARLIEST,
    LEAST,
    LOT,
    MINIMUM,
    MODEL,
    MOST_COST,
    MOST_PIECES,
    MOST_ROWS,
    MOST_TAKES,
    PAUSING,
    PROFILE,
    SLOTS,
    UNIT_BITS,
    WORTH,
    Draft,
    Guide,
    note,
    overlooks,
    part_of_worth,
)
from marketplace.engine.facts import Ints

BEGINNINGS = 8
"""Parts of the window in which work without a pause is begun."""

ROWS_WITHOUT_PAUSE = 64
"""Offers that are looked at for work without a pause."""

OFFER, LOT_OF, RATE, SHORTEST, MOST_HOURS, SPENT = range(6)
UNIT, FIRST, HOURS, MOST, FEWEST = range(6, 11)
"""Columns of ``Draft.work``, by offer gathered: its row, cards of a lot, what a card does in an hour, its
minimum duration, the card-hours that may be taken and those that are; and its next piece: cost of a unit,
first slot, hours, cards at most and at least."""

HAS, COSTS, TAKEN, NEEDED = range(4)
"""``Draft.grids``, by offer and slot of the window: the cards free in whole lots, what one costs, the cards
taken, and those of them that are needed."""


@compiled
def spread(guide: Guide, free: Ints, draft: Draft, want: int, best: int) -> int:
    """The best placement of divisible work, in runs; noted if it gains more than ``best``."""
    work, runs, asked = draft.work, draft.runs, guide.wants[want]
    earliest, length, pausing = asked[EARLIEST], asked[DEADLINE] - asked[EARLIEST], asked[PAUSING] == 1
    gathered = _gather(guide, free, draft, want, MOST_ROWS if pausing else ROWS_WITHOUT_PAUSE)
    worth, amount, least, purse = asked[WORTH], asked[AMOUNT], asked[LEAST], draft.purse[0]
    parts = 1 if pausing else min(BEGINNINGS, length)
    for part in range(parts):
        low, high = part * length // parts, (part + 1) * length // parts - 1
        gain, takes = _grow(draft, gathered, low, high, length, worth, amount, least, purse, pausing, best)
        if gain > best:
            best = gain
            draft.found[0], draft.found[1] = want, takes
            for take in range(takes):
                index, cards, begun, slots = runs[take]
                note(draft.takes[take], work[index, OFFER], cards, earliest + begun, slots)
    return best


@compiled
def _gather(guide: Guide, free: Ints, draft: Draft, want: int, most_rows: int) -> int:
    """Rows in which the want may look and that have a lot free in some run; how many they are."""
    offers, bits, price, ranges, hours = guide.offers, guide.bits, guide.price, guide.ranges, draft.hours
    rates, profile = guide.rate[want], guide.wants[want, PROFILE]
    earliest, deadline = guide.wants[want, EARLIEST], guide.wants[want, DEADLINE]
    work, has, costs = draft.work, draft.grids[HAS], draft.grids[COSTS]
    luck, overlooked = draft.luck, draft.overlooked[0]
    count = 0
    for entry in range(guide.entries[want], guide.entries[want + 1]):
        for row in range(ranges[entry, 0], ranges[entry, 1]):
            if count == most_rows:
                return count
            lot, shortest = offers[row, LOT], offers[row, MINIMUM]
            if not serves(bits, profile, row) or hours[row] < lot * shortest or overlooks(luck, overlooked):
                continue
            longest, unbroken = 0, 0
            for slot in range(earliest, deadline):
                index = slot - earliest
                has[count, index] = free[row, slot] // lot * lot if free[row, slot] >= lot else 0
                costs[count, index] = price[row, slot + 1] - price[row, slot]
                unbroken = unbroken + 1 if has[count, index] > 0 else 0
                longest = max(longest, unbroken)
            if longest < shortest:
                continue
            work[count, OFFER], work[count, LOT_OF] = row, lot
            work[count, RATE], work[count, SHORTEST] = rates[offers[row, MODEL]], shortest
            work[count, MOST_HOURS] = hours[row]
            count += 1
    return count


@compiled
def _grow(
    draft: Draft,
    gathered: int,
    low: int,
    high: int,
    length: int,
    worth: int,
    amount: int,
    least: int,
    purse: int,
    pausing: bool,
    best: int,
) -> tuple[int, int]:
    """Put the work together from pieces, the first of which touches the slots ``low`` to ``high``.

    The gain, if it is more than ``best``, and the number of runs.
    """
    work, grids, pieces = draft.work, draft.grids, draft.pieces
    costs, taken = grids[COSTS], grids[TAKEN]
    worth_of_unit = (worth << UNIT_BITS) // amount
    taken[:gathered, :length] = 0
    work[:gathered, SPENT] = 0
    goal, done, cost, count, runs, found = amount, 0, 0, 0, 0, 0
    for index in range(gathered):
        _find_piece(work, grids, index, low, high, length, goal, runs)
    while count < MOST_PIECES:
        missing, index = goal - done, _cheapest(work, gathered)
        if index >= 0:
            unit = work[index, UNIT]
            if least < amount and unit >= worth_of_unit:
                # More of it costs more than it is worth: no more than must be.
                if done >= least:
                    break
                if goal > least:
                    goal = least
                    continue
            if unit > MOST_COST // missing:
                break
            if least == amount and cost + (unit * missing >> UNIT_BITS) >= worth - best:
                break
            if work[index, FEWEST] * work[index, HOURS] * work[index, RATE] > missing:
                _find_piece(work, grids, index, low, high, length, missing, runs)
                continue
        if index < 0 or 2 * work[index, MOST] * work[index, HOURS] * work[index, RATE] >= missing:
            room = min(worth - best, purse + 1) - cost
            last = _append_last(work, grids, pieces, gathered, low, high, length, count, runs, missing, room)
            if last >= 0:
                best, found = _keep(draft, gathered, length, count + 1, worth, amount, pausing, best, found)
                work[last, SPENT] -= pieces[count, CARDS] * pieces[count, SLOTS]
        if index < 0:
            break
        first, hours, lot = work[index, FIRST], work[index, HOURS], work[index, LOT_OF]
        cards = min(work[index, MOST], missing // (lot * hours * work[index, RATE]) * lot)
        runs += _more_runs(taken[index], first, hours, length, cards)
        for slot in range(first, first + hours):
            cost += cards * costs[index, slot]
            taken[index, slot] = cards
        if cost > purse:
            break
        note(pieces[count], index, cards, first, hours)
        work[index, SPENT] += cards * hours
        count += 1
        done += cards * hours * work[index, RATE]
        if done >= least and (done == amount or least < amount):
            best, found = _keep(draft, gathered, length, count, worth, amount, pausing, best, found)
        if done >= goal:
            break
        missing = goal - done
        if pausing:
            _find_piece(work, grids, index, low, high, length, missing, runs)
            continue
        low = first if count == 1 else min(low, first)
        high = first + hours if count == 1 else max(high, first + hours)
        for other in range(gathered):
            _find_piece(work, grids, other, low, high, length, missing, runs)
    return best, found


@compiled
def _cheapest(work: Ints, gathered: int) -> int:
    """The offer whose next piece has the cheapest unit; -1 if there is none."""
    found, lowest = -1, NEVER
    for index in range(gathered):
        if work[index, UNIT] < lowest:
            found, lowest = index, work[index, UNIT]
    return found


@compiled
def _more_runs(taken: Ints, first: int, hours: int, length: int, cards: int) -> int:
    """By how many runs there are more with a piece: it may be one with its neighbours."""
    more = 1
    if first > 0 and taken[first - 1] == cards:
        more -= 1
    if first + hours < length and taken[first + hours] == cards:
        more -= 1
    return more


@compiled
def _find_piece(
    work: Ints, grids: Ints, index: int, low: int, high: int, length: int, missing: int, runs: int
) -> None:
    """The piece of an offer with the cheapest unit of which something does no more than is missing.

    It touches the slots ``low`` to ``high``. Of equals the most cards, then an hour more of a run.
    """
    own, has, costs, taken = work[index], grids[HAS, index], grids[COSTS, index], grids[TAKEN, index]
    lot, rate, shortest, hours_left = own[LOT_OF], own[RATE], own[SHORTEST], own[MOST_HOURS] - own[SPENT]
    lowest, begun, lasting, most, fewest = NEVER, 0, 0, 0, 0
    for slot in range(max(low - 1, 0), min(high + 1, length)):
        if taken[slot] > 0:
            continue
        for cards in (taken[max(slot - 1, 0)], taken[min(slot + 1, length - 1)]):
            if 0 < cards <= min(has[slot], hours_left) and cards * rate <= missing:
                unit = (costs[slot] << UNIT_BITS) // rate
                if unit < lowest or (unit == lowest and cards > most):
                    lowest, begun, lasting, most, fewest = unit, slot, 1, cards, cards
    if runs < MOST_TAKES and lot * rate * shortest <= missing:
        for first in range(max(low - shortest, 0), min(high, length - shortest) + 1):
            cards = min(_free_over(has, taken, first, shortest), hours_left // shortest // lot * lot)
            cards = min(cards, missing // (lot * rate * shortest) * lot)
            if cards <= 0:
                continue
            cost = 0
            for slot in range(first, first + shortest):
                cost += costs[slot]
            unit = (cost << UNIT_BITS) // (rate * shortest)
            if unit < lowest or (unit == lowest and cards > most):
                lowest, begun, lasting, most, fewest = unit, first, shortest, cards, lot
    own[UNIT], own[FIRST], own[HOURS], own[MOST], own[FEWEST] = lowest, begun, lasting, most, fewest


@compiled
def _free_over(has: Ints, taken: Ints, first: int, hours: int) -> int:
    """The cards free over a run; none where the offer is taken already."""
    cards = has[first]
    for slot in range(first, first + hours):
        if taken[slot] > 0:
            return 0
        cards = min(cards, has[slot])
    return int(cards)


@compiled
def _append_last(
    work: Ints,
    grids: Ints,
    pieces: Ints,
    gathered: int,
    low: int,
    high: int,
    length: int,
    count: int,
    runs: int,
    missing: int,
    room: int,
) -> int:
    """Append the one piece that does what is missing for least, if for less than ``room``.

    Its offer; -1 if there is none.
    """
    lowest, last, begun, lasting, most = room, -1, 0, 0, 0
    for index in range(gathered):
        own, has, costs, taken = work[index], grids[HAS, index], grids[COSTS, index], grids[TAKEN, index]
        lot, rate, shortest, hours_left = own[LOT_OF], own[RATE], own[SHORTEST], own[MOST_HOURS] - own[SPENT]
        for slot in range(max(low - 1, 0), min(high + 1, length)):
            if taken[slot] > 0:
                continue
            for cards in (taken[max(slot - 1, 0)], taken[min(slot + 1, length - 1)]):
                if not 0 < cards <= min(has[slot], hours_left) or cards * rate < missing:
                    continue
                if costs[slot] < (lowest + cards - 1) // cards:
                    lowest, last = cards * costs[slot], index
                    begun, lasting, most = slot, 1, cards
        cards = (missing + lot * rate * shortest - 1) // (lot * rate * shortest) * lot
        if runs >= MOST_TAKES or cards * shortest > hours_left:
            continue
        for first in range(max(low - shortest, 0), min(high, length - shortest) + 1):
            if _free_over(has, taken, first, shortest) < cards:
                continue
            price = 0
            for slot in range(first, first + shortest):
                price += costs[slot]
            if price < (lowest + cards - 1) // cards:
                lowest, last = cards * price, index
                begun, lasting, most = first, shortest, cards
    if last >= 0:
        note(pieces[count], last, most, begun, lasting)
        work[last, SPENT] += most * lasting
    return last


@compiled
def _keep(
    draft: Draft,
    gathered: int,
    length: int,
    count: int,
    worth: int,
    amount: int,
    pausing: bool,
    best: int,
    found: int,
) -> tuple[int, int]:
    """Keep the pieces, without what is not needed, if they gain more than ``best``; gain and runs."""
    work, pieces, costs, needed = draft.work, draft.pieces, draft.grids[COSTS], draft.grids[NEEDED]
    done, cost = 0, 0
    for number in range(count):
        index, cards, first, hours = pieces[number]
        done += cards * hours * work[index, RATE]
        for slot in range(first, first + hours):
            cost += cards * costs[index, slot]
    gain = part_of_worth(worth, done, amount) - cost
    if gain <= best:
        return best, found
    for index in range(gathered):
        if work[index, SPENT] > 0:
            needed[index, :length] = 0
    for number in range(count):
        index, cards, first, hours = pieces[number]
        needed[index, first : first + hours] = cards
    idle, more = done - amount, True
    while idle > 0 and more:
        saving, index, first, end, cards = _dearest_idle(
            work, needed, costs, draft.window, gathered, length, idle, pausing
        )
        more = saving >= 0
        if more:
            needed[index, first:end] -= cards
            idle -= cards * (end - first) * work[index, RATE]
            gain += saving
    runs = _list_runs(work, needed, draft.runs, gathered, length)
    return (gain, runs) if runs > 0 else (best, found)


@compiled
def _dearest_idle(
    work: Ints, needed: Ints, costs: Ints, held: Ints, gathered: int, length: int, idle: int, pausing: bool
) -> tuple[int, int, int, int, int]:
    """What costs most of what can be given back: a lot of a run over all of its hours, or its first or last
    hour. What that saves (-1: nothing is idle), the offer, first slot, end and cards."""
    _count_held(work, needed, held, gathered, length)
    saving, offer, begun, ended, given = -1, 0, 0, 0, 0
    for index in range(gathered):
        if work[index, SPENT] == 0:
            continue
        lot, rate, first = work[index, LOT_OF], work[index, RATE], 0
        while first < length:
            cards, end, price = needed[index, first], first, 0
            while end < length and needed[index, end] == cards:
                price += costs[index, end]
                end += 1
            start, first = first, end
            if cards == 0:
                continue
            if lot * (end - start) * rate <= idle and lot * price > saving:
                if cards > lot or pausing or _goes_on(held, length, start, end):
                    saving, offer, begun, ended, given = lot * price, index, start, end, lot
            if end - start == work[index, SHORTEST] or cards * rate > idle:
                continue
            for slot in (start, end - 1):
                if cards * costs[index, slot] > saving and (
                    pausing or _goes_on(held, length, slot, slot + 1)
                ):
                    saving, offer, begun, ended, given = (
                        cards * costs[index, slot],
                        index,
                        slot,
                        slot + 1,
                        cards,
                    )
    return saving, offer, begun, ended, given


@compiled
def _count_held(work: Ints, needed: Ints, held: Ints, gathered: int, length: int) -> None:
    """In each slot, the number of offers that have cards in it."""
    held[:length] = 0
    for index in range(gathered):
        if work[index, SPENT] > 0:
            for slot in range(length):
                held[slot] += 1 if needed[index, slot] > 0 else 0


@compiled
def _goes_on(held: Ints, length: int, begun: int, end: int) -> bool:
    """Whether the work has no pause without one offer in the slots from ``begun`` to before ``end``."""
    beginnings, before = 0, False
    for slot in range(length):
        now = held[slot] > (1 if begun <= slot < end else 0)
        beginnings += 1 if now and not before else 0
        before = now
    return beginnings <= 1


@compiled
def _list_runs(work: Ints, needed: Ints, runs: Ints, gathered: int, length: int) -> int:
    """List the runs of equal cards: offer, cards, first slot, slots; how many, 0 if too many."""
    count = 0
    for index in range(gathered):
        if work[index, SPENT] == 0:
            continue
        first = 0
        while first < length:
            cards, end = needed[index, first], first
            while end < length and needed[index, end] == cards:
                end += 1
            if cards > 0:
                if count == MOST_TAKES:
                    return 0
                note(runs[count], index, cards, first, end - first)
                count += 1
            first = end
    return count
