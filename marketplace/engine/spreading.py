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
    BEGUN,
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
    POWER,
    PROFILE,
    ROW,
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
from marketplace.engine.luck import Words
from marketplace.engine.openings import may_open

BEGINNINGS = 8
"""Parts of the window in which work without a pause is begun."""

ROWS_WITHOUT_PAUSE = 64
"""Offers that are looked at for work without a pause."""

OFFER, LOT_OF, RATE, SHORTEST, MOST_HOURS, SPENT = range(6)
UNIT, FIRST, HOURS, MOST, FEWEST = range(6, 11)
"""Columns of ``Draft.work``, by offer gathered: its row, cards of a lot, what a card does in an hour, its
minimum duration, the card-hours that may be taken and those that are; and its next piece: cost of a unit,
first slot, hours, cards at most and at least."""

GOAL, DONE, COST, COUNT, RUNS, LOW, HIGH, LENGTH = range(8)
"""``Draft.job``: the units to be done and done, what that costs, the pieces and at most how many runs they
make; the slots that the next piece must touch, and those of the window."""

SAVING = 4
"""The column of ``Draft.idle`` after those of a take: what giving it back saves."""

HOPELESS = -2

HAS, COSTS, TAKEN, NEEDED = range(4)
"""``Draft.grids``, by offer and slot of the window: the cards free in whole lots, what one costs, the cards
taken, and those of them that are needed."""


@compiled
def spread(guide: Guide, free: Ints, openings: Words, draft: Draft, want: int, best: int) -> int:
    """The best placement of divisible work, in runs; noted if it gains more than ``best``."""
    asked, runs = guide.wants[want], draft.runs
    earliest, length, pausing = asked[EARLIEST], asked[DEADLINE] - asked[EARLIEST], asked[PAUSING] == 1
    gathered = _gather(guide, free, openings, draft, want, MOST_ROWS if pausing else ROWS_WITHOUT_PAUSE)
    work = draft.work[:gathered]
    parts = 1 if pausing else min(BEGINNINGS, length)
    for part in range(parts):
        low, high = part * length // parts, (part + 1) * length // parts - 1
        gain, takes = _grow(draft, work, asked, low, high, best)
        if gain > best:
            best = gain
            draft.found[0], draft.found[1] = want, takes
            for take in range(takes):
                index, cards, begun, slots = runs[take]
                note(draft.takes[take], work[index, OFFER], cards, earliest + begun, slots)
    return best


@compiled
def _gather(guide: Guide, free: Ints, openings: Words, draft: Draft, want: int, most_rows: int) -> int:
    """Rows in which the want may look and that have a lot free in some run; how many they are."""
    offers, bits, price, ranges, hours = guide.offers, guide.bits, guide.price, guide.ranges, draft.hours
    rates, profile = guide.rate[want], guide.wants[want, PROFILE]
    earliest, deadline = guide.wants[want, EARLIEST], guide.wants[want, DEADLINE]
    work, has, costs = draft.work, draft.grids[HAS], draft.grids[COSTS]
    luck, overlooked = draft.luck, draft.overlooked[0]
    power, open_hours = guide.wants[want, POWER], guide.open
    count = 0
    for entry in range(guide.entries[want], guide.entries[want + 1]):
        for row in range(ranges[entry, 0], ranges[entry, 1]):
            if count == most_rows:
                return count
            lot, shortest = offers[row, LOT], offers[row, MINIMUM]
            if not serves(bits, profile, row) or hours[row] < lot * shortest or overlooks(luck, overlooked):
                continue
            if not may_open(openings, row, lot, shortest, earliest, deadline):
                continue
            longest, unbroken = 0, 0
            for slot in range(earliest, deadline):
                index = slot - earliest
                powered = power == 0 or open_hours[power - 1, row, slot]
                has[count, index] = free[row, slot] // lot * lot if powered and free[row, slot] >= lot else 0
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
def _grow(draft: Draft, work: Ints, asked: Ints, low: int, high: int, best: int) -> tuple[int, int]:
    """Put the work together from pieces, the first of which touches the slots ``low`` to ``high``.

    The gain, if it is more than ``best``, and the number of runs.
    """
    grids, pieces, job, purse = draft.grids, draft.pieces, draft.job, draft.purse[0]
    pausing, found = asked[PAUSING] == 1, 0
    _begin(work, grids, job, asked, low, high)
    while job[COUNT] < MOST_PIECES and job[DONE] < job[GOAL]:
        index, count = _next_piece(work, grids, job, asked, best), job[COUNT]
        if index == HOPELESS:
            break
        room = min(asked[WORTH] - best, purse + 1) - job[COST]
        if _may_be_last(work, job, index) and _append_last(work, grids, job, pieces[count], room):
            best, found = _keep(draft, work, asked, count + 1, best, found)
            work[pieces[count, ROW], SPENT] -= pieces[count, CARDS] * pieces[count, SLOTS]
        if index < 0:
            break
        _take_piece(work, grids, job, pieces[count], index)
        if job[COST] > purse:
            break
        if job[DONE] >= asked[LEAST] and (job[DONE] == asked[AMOUNT] or asked[LEAST] < asked[AMOUNT]):
            best, found = _keep(draft, work, asked, count + 1, best, found)
        if pausing:
            _find_piece(work, grids, job, index)
        else:
            _find_pieces_that_touch(work, grids, job, pieces[count])
    return best, found


@compiled
def _begin(work: Ints, grids: Ints, job: Ints, asked: Ints, low: int, high: int) -> None:
    """Nothing taken yet; the first piece of each offer."""
    length = asked[DEADLINE] - asked[EARLIEST]
    grids[TAKEN, : work.shape[0], :length] = 0
    work[:, SPENT] = 0
    job[GOAL], job[DONE], job[COST] = asked[AMOUNT], 0, 0
    job[COUNT], job[RUNS], job[LOW], job[HIGH], job[LENGTH] = 0, 0, low, high, length
    for index in range(work.shape[0]):
        _find_piece(work, grids, job, index)


@compiled
def _next_piece(work: Ints, grids: Ints, job: Ints, asked: Ints, best: int) -> int:
    """The offer with the cheapest piece, a lot of which does no more than is missing.

    -1 if there is none, ``HOPELESS`` if no more should be done or if that would gain no more than ``best``.
    """
    worth, amount, least = asked[WORTH], asked[AMOUNT], asked[LEAST]
    worth_of_unit = (worth << UNIT_BITS) // amount
    while True:
        index, missing = _cheapest(work), job[GOAL] - job[DONE]
        if index < 0:
            return -1
        unit = work[index, UNIT]
        if job[GOAL] > least and unit >= worth_of_unit:
            # More of it costs more than it is worth: no more than must be.
            job[GOAL] = least
            if job[DONE] >= least:
                return HOPELESS
            continue
        if unit > MOST_COST // missing:
            return HOPELESS
        if least == amount and job[COST] + (unit * missing >> UNIT_BITS) >= worth - best:
            return HOPELESS
        if work[index, FEWEST] * work[index, HOURS] * work[index, RATE] <= missing:
            return index
        _find_piece(work, grids, job, index)


@compiled
def _cheapest(work: Ints) -> int:
    """The offer whose next piece has the cheapest unit; -1 if there is none."""
    found, lowest = -1, NEVER
    for index in range(work.shape[0]):
        if work[index, UNIT] < lowest:
            found, lowest = index, work[index, UNIT]
    return found


@compiled
def _may_be_last(work: Ints, job: Ints, index: int) -> bool:
    """Whether to ask what does all of the rest: the next piece does half of it, or there is none."""
    if index < 0:
        return True
    return bool(2 * work[index, MOST] * work[index, HOURS] * work[index, RATE] >= job[GOAL] - job[DONE])


@compiled
def _take_piece(work: Ints, grids: Ints, job: Ints, piece: Ints, index: int) -> None:
    """Take as much of the next piece of an offer as does no more than is missing."""
    first, hours, lot, rate = work[index, FIRST], work[index, HOURS], work[index, LOT_OF], work[index, RATE]
    cards = min(work[index, MOST], (job[GOAL] - job[DONE]) // (lot * hours * rate) * lot)
    costs, taken = grids[COSTS, index], grids[TAKEN, index]
    job[RUNS] += _more_runs(taken, first, hours, job[LENGTH], cards)
    for slot in range(first, first + hours):
        job[COST] += cards * costs[slot]
        taken[slot] = cards
    note(piece, index, cards, first, hours)
    work[index, SPENT] += cards * hours
    job[DONE] += cards * hours * rate
    job[COUNT] += 1


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
def _find_pieces_that_touch(work: Ints, grids: Ints, job: Ints, piece: Ints) -> None:
    """The next piece of each offer, which must touch what is taken, last of all ``piece``."""
    first, end = piece[BEGUN], piece[BEGUN] + piece[SLOTS]
    job[LOW] = first if job[COUNT] == 1 else min(job[LOW], first)
    job[HIGH] = end if job[COUNT] == 1 else max(job[HIGH], end)
    for index in range(work.shape[0]):
        _find_piece(work, grids, job, index)


@compiled
def _find_piece(work: Ints, grids: Ints, job: Ints, index: int) -> None:
    """The piece of an offer with the cheapest unit of which something does no more than is missing.

    It touches the slots from ``LOW`` to ``HIGH``. Of equals the most cards, then an hour more of a run.
    """
    own, has, costs, taken = work[index], grids[HAS, index], grids[COSTS, index], grids[TAKEN, index]
    own[UNIT], own[MOST] = NEVER, 0
    _find_hour(own, has, costs, taken, job)
    if job[RUNS] < MOST_TAKES and own[LOT_OF] * own[RATE] * own[SHORTEST] <= job[GOAL] - job[DONE]:
        _find_run(own, has, costs, taken, job)


@compiled
def _find_hour(own: Ints, has: Ints, costs: Ints, taken: Ints, job: Ints) -> None:
    """An hour more at the end of a run, as the next piece if its unit is cheaper."""
    rate, hours_left, missing = own[RATE], own[MOST_HOURS] - own[SPENT], job[GOAL] - job[DONE]
    for slot in range(max(job[LOW] - 1, 0), min(job[HIGH] + 1, job[LENGTH])):
        if taken[slot] > 0:
            continue
        for cards in (taken[max(slot - 1, 0)], taken[min(slot + 1, job[LENGTH] - 1)]):
            if 0 < cards <= min(has[slot], hours_left) and cards * rate <= missing:
                _prefer_piece(own, (costs[slot] << UNIT_BITS) // rate, slot, 1, cards, cards)


@compiled
def _find_run(own: Ints, has: Ints, costs: Ints, taken: Ints, job: Ints) -> None:
    """A run of the minimum duration, as the next piece if its unit is cheaper."""
    lot, rate, shortest = own[LOT_OF], own[RATE], own[SHORTEST]
    most = (own[MOST_HOURS] - own[SPENT]) // shortest // lot * lot
    most = min(most, (job[GOAL] - job[DONE]) // (lot * rate * shortest) * lot)
    for first in range(max(job[LOW] - shortest, 0), min(job[HIGH], job[LENGTH] - shortest) + 1):
        cards = min(_free_over(has, taken, first, shortest), most)
        if cards > 0:
            unit = (_cost_over(costs, first, shortest) << UNIT_BITS) // (rate * shortest)
            _prefer_piece(own, unit, first, shortest, cards, lot)


@compiled
def _prefer_piece(own: Ints, unit: int, first: int, hours: int, most: int, fewest: int) -> None:
    """Make it the next piece of its offer if its unit is cheaper; of equals the one with more cards."""
    if unit < own[UNIT] or (unit == own[UNIT] and most > own[MOST]):
        own[UNIT], own[FIRST], own[HOURS], own[MOST], own[FEWEST] = unit, first, hours, most, fewest


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
def _cost_over(costs: Ints, first: int, hours: int) -> int:
    """What a card costs over a run."""
    cost = 0
    for slot in range(first, first + hours):
        cost += costs[slot]
    return cost


@compiled
def _append_last(work: Ints, grids: Ints, job: Ints, piece: Ints, room: int) -> bool:
    """Note in ``piece`` the one that does the rest for least; whether there is one for less than ``room``."""
    lowest = room
    for index in range(work.shape[0]):
        own, has, costs, taken = work[index], grids[HAS, index], grids[COSTS, index], grids[TAKEN, index]
        lowest = _hour_for_the_rest(own, has, costs, taken, job, piece, index, lowest)
        if job[RUNS] < MOST_TAKES:
            lowest = _run_for_the_rest(own, has, costs, taken, job, piece, index, lowest)
    if lowest < room:
        work[piece[ROW], SPENT] += piece[CARDS] * piece[SLOTS]
    return bool(lowest < room)


@compiled
def _hour_for_the_rest(
    own: Ints, has: Ints, costs: Ints, taken: Ints, job: Ints, piece: Ints, index: int, lowest: int
) -> int:
    """Note an hour more at the end of a run if that does the rest for less; the lowest cost."""
    hours_left, missing = own[MOST_HOURS] - own[SPENT], job[GOAL] - job[DONE]
    for slot in range(max(job[LOW] - 1, 0), min(job[HIGH] + 1, job[LENGTH])):
        if taken[slot] > 0:
            continue
        for cards in (taken[max(slot - 1, 0)], taken[min(slot + 1, job[LENGTH] - 1)]):
            if not 0 < cards <= min(has[slot], hours_left) or cards * own[RATE] < missing:
                continue
            if costs[slot] < (lowest + cards - 1) // cards:
                lowest = cards * costs[slot]
                note(piece, index, cards, slot, 1)
    return lowest


@compiled
def _run_for_the_rest(
    own: Ints, has: Ints, costs: Ints, taken: Ints, job: Ints, piece: Ints, index: int, lowest: int
) -> int:
    """Note a run of the minimum duration if that does the rest for less; the lowest cost."""
    lot, shortest = own[LOT_OF], own[SHORTEST]
    a_lot = lot * own[RATE] * shortest
    cards = (job[GOAL] - job[DONE] + a_lot - 1) // a_lot * lot
    if cards * shortest > own[MOST_HOURS] - own[SPENT]:
        return lowest
    for first in range(max(job[LOW] - shortest, 0), min(job[HIGH], job[LENGTH] - shortest) + 1):
        if _free_over(has, taken, first, shortest) < cards:
            continue
        cost = _cost_over(costs, first, shortest)
        if cost < (lowest + cards - 1) // cards:
            lowest = cards * cost
            note(piece, index, cards, first, shortest)
    return lowest


@compiled
def _keep(draft: Draft, work: Ints, asked: Ints, count: int, best: int, found: int) -> tuple[int, int]:
    """Keep the pieces, without what is not needed, if they gain more than ``best``; gain and runs."""
    pieces, costs, needed, idle = draft.pieces, draft.grids[COSTS], draft.grids[NEEDED], draft.idle
    length, done, gain = draft.job[LENGTH], 0, 0
    for number in range(count):
        index, cards, first, hours = pieces[number]
        done += cards * hours * work[index, RATE]
        gain -= cards * _cost_over(costs[index], first, hours)
    gain += part_of_worth(asked[WORTH], done, asked[AMOUNT])
    if gain <= best:
        return best, found
    for index in range(work.shape[0]):
        if work[index, SPENT] > 0:
            needed[index, :length] = 0
    for number in range(count):
        index, cards, first, hours = pieces[number]
        needed[index, first : first + hours] = cards
    spare = done - asked[AMOUNT]
    while spare > 0 and _find_idle(
        work, needed, costs, draft.window, idle, length, spare, asked[PAUSING] == 1
    ):
        index, cards, first, hours = idle[ROW], idle[CARDS], idle[BEGUN], idle[SLOTS]
        needed[index, first : first + hours] -= cards
        spare -= cards * hours * work[index, RATE]
        gain += idle[SAVING]
    runs = _list_runs(work, needed, draft.runs, length)
    return (gain, runs) if runs > 0 else (best, found)


@compiled
def _find_idle(
    work: Ints, needed: Ints, costs: Ints, held: Ints, idle: Ints, length: int, spare: int, pausing: bool
) -> bool:
    """Note in ``idle`` what costs most of what can be given back: a lot of a run over all of its hours, or
    its first or last hour; and what that saves. Whether there is anything."""
    _count_held(work, needed, held, length)
    idle[SAVING] = -1
    for index in range(work.shape[0]):
        if work[index, SPENT] == 0:
            continue
        first = 0
        while first < length:
            end = _end_of_run(needed[index], first, length)
            if needed[index, first] > 0:
                _find_idle_of_run(
                    work[index],
                    needed[index],
                    costs[index],
                    held,
                    idle,
                    index,
                    first,
                    end,
                    length,
                    spare,
                    pausing,
                )
            first = end
    return bool(idle[SAVING] >= 0)


@compiled
def _find_idle_of_run(
    own: Ints,
    needed: Ints,
    costs: Ints,
    held: Ints,
    idle: Ints,
    index: int,
    first: int,
    end: int,
    length: int,
    spare: int,
    pausing: bool,
) -> None:
    """Note what costs most of what can be given back of one run."""
    lot, cards, hours = own[LOT_OF], needed[first], end - first
    saving = lot * _cost_over(costs, first, hours)
    if lot * hours * own[RATE] <= spare and saving > idle[SAVING]:
        goes_on = cards > lot or pausing or _goes_on(held, length, first, end)
        if goes_on:
            note(idle, index, lot, first, hours)
            idle[SAVING] = saving
    if hours == own[SHORTEST] or cards * own[RATE] > spare:
        return
    for slot in (first, end - 1):
        if cards * costs[slot] > idle[SAVING] and (pausing or _goes_on(held, length, slot, slot + 1)):
            note(idle, index, cards, slot, 1)
            idle[SAVING] = cards * costs[slot]


@compiled
def _count_held(work: Ints, needed: Ints, held: Ints, length: int) -> None:
    """In each slot, the number of offers that have cards in it."""
    held[:length] = 0
    for index in range(work.shape[0]):
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
def _list_runs(work: Ints, needed: Ints, runs: Ints, length: int) -> int:
    """List the runs of equal cards: offer, cards, first slot, slots; how many, 0 if too many."""
    count = 0
    for index in range(work.shape[0]):
        if work[index, SPENT] == 0:
            continue
        first = 0
        while first < length:
            end = _end_of_run(needed[index], first, length)
            if needed[index, first] > 0:
                if count == MOST_TAKES:
                    return 0
                note(runs[count], index, needed[index, first], first, end - first)
                count += 1
            first = end
    return count


@compiled
def _end_of_run(cards: Ints, first: int, length: int) -> int:
    """The first slot after ``first`` with another number of cards."""
    end = first
    while end < length and cards[end] == cards[first]:
        end += 1
    return end
