"""Ejection: a request takes a run of cards from those who gain least by it, and they look for others.

The greedy search and what puts back after a ruin look at cards that are free. Here a run may be taken whoever
holds its cards: who stands in the way goes, the least gain for a missing card-hour first, and is put back
where it gains most. Which runs are worth trying is judged by what they cost: free cards their cost, cards
that somebody must give up what they are worth to others, which is their shadow price. The change is kept if
the market is the better for it, or at first not much the worse (ejection chains: Glover, 1996).

Who moves has no budget, choice or owner cap to keep; those that are put back keep theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import DIVISIBLE, NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    AMOUNT,
    BEGUN,
    CARDS,
    DEADLINE,
    DURATION,
    EARLIEST,
    KIND,
    MOST_TAKES,
    POWER,
    PROFILE,
    ROW,
    SIZE,
    SLOTS,
    WORTH,
    Draft,
    Guide,
    note,
)
from marketplace.engine.facts import Floats, Ints
from marketplace.engine.luck import Words, draw
from marketplace.engine.placing import insert
from marketplace.engine.state import State, put, take_off
from marketplace.engine.ties import Ties
from marketplace.engine.whole import cards_of

MOST_RUNS = 4
"""Runs, each on an offer of its own, that are tried for one request."""

MOST_HOLDERS = 256
"""Requests among which those that must go are chosen."""

MOST_GOING = 40
"""Requests that may have to go for one."""

MOVED = 300
"""How likely a request that has a place is moved in a pass, in 1/1024."""

STRAY = 0.3
"""How far what is displaced may seem dearer or cheaper than it is, as a share."""

PATIENCE = 0.1
"""How much worse a change may leave the market in the first pass, as a share of what is moved is worth; it
falls to nothing in the last."""

WANT, OFFER, TAKEN, FIRST, GAIN = range(5)
"""Columns of a run: of which want, on which row, how many cards, from which slot; what is gained by it."""


class Room(NamedTuple):
    """Where moves are composed.

    ``runs`` are the most promising of the request, ``leaving`` who is in the way of one and ``keys`` by what
    they are chosen; ``saved`` and ``saved_takes`` how the request itself, and those that go, were placed.
    ``missing`` are the cards that a run lacks by slot, ``displaced`` running totals of what cards cost others
    beyond their cost. ``marked`` by request is the number of the last move (``mark``, one figure) that looked
    at it. ``cheapest`` by row is the least that a card-hour costs.
    """

    runs: Ints
    leaving: Ints
    keys: Floats
    saved: Ints
    saved_takes: Ints
    missing: Ints
    displaced: Ints
    marked: Ints
    mark: Ints
    cheapest: Ints


def eject(guide: Guide, at_cost: Guide, ties: Ties, state: State, draft: Draft, passes: int) -> None:
    """Go over all requests so many times, each time in another order; ``draft`` brings the chance.

    ``at_cost`` is the guide of those that find nothing at shadow prices.
    """
    room = _room(guide, state)
    for number in range(passes):
        patience = PATIENCE * (passes - 1 - number) / passes
        _move_all(guide, at_cost, ties, state, draft, room, patience)


def _room(guide: Guide, state: State) -> Room:
    slots, each = guide.free.shape[1], np.diff(guide.cost, axis=1)
    least = np.where(guide.free > 0, each, NEVER).min(axis=1, initial=NEVER)
    return Room(
        runs=np.zeros((MOST_RUNS, 5), dtype=np.int64),
        leaving=np.zeros(MOST_HOLDERS, dtype=np.int64),
        keys=np.zeros(MOST_HOLDERS),
        saved=np.zeros((MOST_GOING + 1, 2), dtype=np.int64),
        saved_takes=np.zeros((MOST_GOING + 1, MOST_TAKES, 4), dtype=np.int64),
        missing=np.zeros(slots, dtype=np.int64),
        displaced=np.zeros(slots + 1, dtype=np.int64),
        marked=np.zeros(state.want.size, dtype=np.int64),
        mark=np.zeros(1, dtype=np.int64),
        cheapest=np.minimum(least, NEVER // (slots + 1)),
    )


@compiled
def _move_all(
    guide: Guide, at_cost: Guide, ties: Ties, state: State, draft: Draft, room: Room, patience: float
) -> None:
    order = np.arange(state.want.size)
    _shuffle(order, draft.luck)
    for place in range(order.size):
        request = int(order[place])
        tied = ties.first[request + 1] > ties.first[request]
        if tied or (state.want[request] >= 0 and draw(draft.luck, 1024) >= MOVED):
            continue
        _move(guide, at_cost, ties, state, draft, room, request, patience)


@compiled
def _shuffle(order: Ints, luck: Words) -> None:
    """Fisher and Yates."""
    for place in range(order.size - 1, 0, -1):
        other = draw(luck, place + 1)
        order[place], order[other] = order[other], order[place]


@compiled
def _move(
    guide: Guide,
    at_cost: Guide,
    ties: Ties,
    state: State,
    draft: Draft,
    room: Room,
    request: int,
    patience: float,
) -> None:
    """Give a request the best run that leaves the market better, or not much worse; else leave it."""
    before, placed = 0, state.want[request] >= 0
    _save(state, room, 0, request)
    if placed:
        before = take_off(guide, ties, state, request)
    for number in range(_promising(guide, state.free, room, request, draft.luck)):
        allowance = patience * guide.wants[room.runs[number, WANT], WORTH] * (draw(draft.luck, 1024) / 1024.0)
        if _kept(guide, at_cost, ties, state, draft, room, request, number, before - allowance):
            return
    if placed:
        _put_back(guide, ties, state, draft, room, 0, request)


@compiled
def _promising(guide: Guide, free: Ints, room: Room, request: int, luck: Words) -> int:
    """Find the best runs for a request, each on an offer of its own; how many there are."""
    count, runs, ranges = 0, room.runs, guide.ranges
    for want in range(guide.first[request], guide.first[request + 1]):
        asked = guide.wants[want]
        if asked[KIND] == DIVISIBLE:
            continue
        slots, amount, worth, profile = asked[DURATION], asked[AMOUNT], asked[WORTH], asked[PROFILE]
        for entry in range(guide.entries[want], guide.entries[want + 1]):
            for row in range(ranges[entry, 0], ranges[entry, 1]):
                if not serves(guide.bits, profile, row):
                    continue
                cards = cards_of(guide, want, slots, amount, row)
                if cards > guide.offers[row, SIZE]:
                    continue
                least = runs[MOST_RUNS - 1, GAIN] if count == MOST_RUNS else 0
                if worth - cards * slots * room.cheapest[row] <= least:
                    continue
                stray = 1.0 - STRAY + 2.0 * STRAY * (draw(luck, 1024) / 1024.0)
                gain, begun = _best_run(guide, free, room, want, row, cards, stray)
                if gain > least:
                    count = min(count + 1, MOST_RUNS)
                    _rank(runs, count - 1, want, row, cards, begun, gain)
    return count


@compiled
def _best_run(
    guide: Guide, free: Ints, room: Room, want: int, row: int, cards: int, stray: float
) -> tuple[int, int]:
    """What the best run on an offer gains, and its first slot; 0 and -1 if none gains.

    The run that the request has had is none. ``stray`` is how dear what is displaced seems.
    """
    asked, displaced = guide.wants[want], room.displaced
    slots, worth, earliest, power = asked[DURATION], asked[WORTH], asked[EARLIEST], asked[POWER]
    cost, price, there = guide.cost[row], guide.price[row], guide.free[row]
    held = room.saved[0, 0] == want and room.saved_takes[0, 0, ROW] == row
    barred = room.saved_takes[0, 0, BEGUN] if held else -1
    best, begun, unbroken = 0, -1, 0
    displaced[earliest] = 0
    for slot in range(earliest, asked[DEADLINE]):
        others = max(cards - free[row, slot], 0)
        beyond = (price[slot + 1] - price[slot]) - (cost[slot + 1] - cost[slot])
        displaced[slot + 1] = displaced[slot] + others * beyond
        powered = power == 0 or guide.open[power - 1, row, slot]
        unbroken = unbroken + 1 if powered and there[slot] >= cards else 0
        start = slot + 1 - slots
        if unbroken < slots or start == barred:
            continue
        gain = worth - cards * (cost[slot + 1] - cost[start])
        if gain > best:
            gain -= np.int64(stray * (displaced[slot + 1] - displaced[start]))
            if gain > best:
                best, begun = gain, start
    return best, begun


@compiled
def _rank(runs: Ints, last: int, want: int, row: int, cards: int, begun: int, gain: int) -> None:
    """Put a run among those up to ``last``, the best first, in the place of that."""
    place = last
    while place > 0 and runs[place - 1, GAIN] < gain:
        for column in range(5):
            runs[place, column] = runs[place - 1, column]
        place -= 1
    runs[place, WANT], runs[place, OFFER], runs[place, TAKEN] = want, row, cards
    runs[place, FIRST], runs[place, GAIN] = begun, gain


@compiled
def _kept(
    guide: Guide,
    at_cost: Guide,
    ties: Ties,
    state: State,
    draft: Draft,
    room: Room,
    request: int,
    number: int,
    enough: float,
) -> bool:
    """Give a request one of its runs if all that are moved then gain more than ``enough``, beside what those
    that must go gain now; whether it has the run."""
    want, row, cards, begun, _ = room.runs[number]
    slots = guide.wants[want, DURATION]
    going = _those_in_the_way(state, room, row, cards, begun, slots)
    for index in range(going):
        _save(state, room, index + 1, room.leaving[index])
        enough += take_off(guide, ties, state, room.leaving[index])
    if going >= 0 and _has(state.free[row], cards, begun, slots):
        draft.found[0], draft.found[1] = want, 1
        note(draft.takes[0], row, cards, begun, slots)
        gained = put(guide, ties, state, draft, request)
        for index in range(going):
            found = insert(guide, ties, state, draft, room.leaving[index])
            if found == 0:
                found = insert(at_cost, ties, state, draft, room.leaving[index])
            gained += found
        if gained > enough:
            return True
        take_off(guide, ties, state, request)
    for index in range(going):
        if state.want[room.leaving[index]] >= 0:
            take_off(guide, ties, state, room.leaving[index])
    for index in range(going):
        _put_back(guide, ties, state, draft, room, index + 1, room.leaving[index])
    return False


@compiled
def _has(free: Ints, cards: int, begun: int, slots: int) -> bool:
    """Where the power of a site is capped, the cards that one request frees may still not be sold."""
    return bool((free[begun : begun + slots] >= cards).all())


@compiled
def _those_in_the_way(state: State, room: Room, row: int, cards: int, begun: int, slots: int) -> int:
    """Choose who must go for a run, the least gain for a missing card-hour first; -1 if they are too many."""
    missing, short = room.missing, False
    for slot in range(begun, begun + slots):
        missing[slot] = cards - state.free[row, slot]
        short = short or missing[slot] > 0
    if not short:
        return 0
    going = 0
    for index in range(_holders(state, room, row, begun, slots)):
        holder = room.leaving[index]
        if _lacks(state, missing, holder, row, begun, slots, 0):
            _free(state, missing, holder, row, begun, slots, 1)
            room.leaving[going] = holder
            going += 1
    for index in range(going - 1, -1, -1):
        holder = room.leaving[index]
        if not _lacks(state, missing, holder, row, begun, slots, 1):
            _free(state, missing, holder, row, begun, slots, -1)
            going -= 1
            for later in range(index, going):
                room.leaving[later] = room.leaving[later + 1]
    return going if going <= MOST_GOING else -1


@compiled
def _holders(state: State, room: Room, row: int, begun: int, slots: int) -> int:
    """Line up who holds cards that are missing, the least gain for each of them first; how many they are."""
    count, link = 0, state.head[row]
    room.mark[0] += 1
    while link >= 0 and count < MOST_HOLDERS:
        holder, held = link // MOST_TAKES, state.takes[link // MOST_TAKES, link % MOST_TAKES]
        link = state.after[link]
        needed = 0
        for slot in range(max(begun, held[BEGUN]), min(begun + slots, held[BEGUN] + held[SLOTS])):
            needed += min(held[CARDS], max(room.missing[slot], 0))
        if needed == 0 or room.marked[holder] == room.mark[0]:
            continue
        room.marked[holder] = room.mark[0]
        key, place = state.gain[holder] / needed, count
        while place > 0 and room.keys[place - 1] > key:
            room.keys[place], room.leaving[place] = room.keys[place - 1], room.leaving[place - 1]
            place -= 1
        room.keys[place], room.leaving[place] = key, holder
        count += 1
    return count


@compiled
def _lacks(state: State, missing: Ints, holder: int, row: int, begun: int, slots: int, kept: int) -> bool:
    """Whether cards are missing where a holder has some; if ``kept`` is 1, were they not freed."""
    for number in range(state.runs[holder]):
        held = state.takes[holder, number]
        if held[ROW] != row:
            continue
        for slot in range(max(begun, held[BEGUN]), min(begun + slots, held[BEGUN] + held[SLOTS])):
            if missing[slot] + kept * held[CARDS] > 0:
                return True
    return False


@compiled
def _free(state: State, missing: Ints, holder: int, row: int, begun: int, slots: int, sign: int) -> None:
    """Count the cards of a holder as free, or with a ``sign`` of -1 as held again."""
    for number in range(state.runs[holder]):
        held = state.takes[holder, number]
        if held[ROW] != row:
            continue
        for slot in range(max(begun, held[BEGUN]), min(begun + slots, held[BEGUN] + held[SLOTS])):
            missing[slot] -= sign * held[CARDS]


@compiled
def _save(state: State, room: Room, place: int, request: int) -> None:
    room.saved[place, 0], room.saved[place, 1] = state.want[request], state.runs[request]
    for take in range(state.runs[request]):
        for column in range(4):
            room.saved_takes[place, take, column] = state.takes[request, take, column]


@compiled
def _put_back(
    guide: Guide, ties: Ties, state: State, draft: Draft, room: Room, place: int, request: int
) -> None:
    draft.found[0], draft.found[1] = room.saved[place, 0], room.saved[place, 1]
    for take in range(room.saved[place, 1]):
        for column in range(4):
            draft.takes[take, column] = room.saved_takes[place, take, column]
    put(guide, ties, state, draft, request)
