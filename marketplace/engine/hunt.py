"""The search for placements: greedy in the order of surplus, then boosted, then ruined and rebuilt.

1. *Greedy*: requests in the order of what they gain at shadow prices, each where it gains most.
2. *Squeaky wheel* (Joslin and Clements, 1999): greedy again and again; a request that got less than
   it could at those prices comes sooner the next time. The best round is kept.
3. *Ruin and recreate* (Schrimpf et al., 2000): free what overlaps a place that some request would
   like, or is in one group with it, put back what was there and some that are waiting in a random order
   of gain, overlooking offers at random (Christiaens and Vanden Berghe, 2020), and keep the change if the
   market is the better for it, or at first not much the worse (Dueck and Scheuer, 1990).

The number of rounds depends on the size of the market and on nothing else, and the only chance is
that of a generator seeded by the snapshot: the same market is searched in the same way everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketplace.engine.columns import NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    BEGUN,
    DEADLINE,
    DURATION,
    EARLIEST,
    MOST_TAKES,
    PROFILE,
    SLOTS,
    Draft,
    Guide,
    blank,
)
from marketplace.engine.ejecting import eject
from marketplace.engine.facts import Floats, Ints
from marketplace.engine.luck import Words, draw
from marketplace.engine.placing import insert
from marketplace.engine.state import State, nobody_placed, put, take_off
from marketplace.engine.ties import SITE, Ties

BOOST = 0.1
"""By how much a request that lost all that it could gain comes forward in the next round."""

MOST_RUINED, MOST_WAITING = 8, 4
"""Placements freed at a time, and waiting requests that are tried with them."""

TRIES_FOR_A_WAITING_ONE = 3
TIMES_AT_COST = 4
"""Once in so many times what was freed is put back at what it costs, and not at shadow prices."""

OVERLOOKED = 200
"""How likely an offer is not looked at while something is put back, in 1/1024."""

PATIENCE = 0.1
"""How much worse the first changes may leave the market, as a share of what a placement gains on average;
it falls to nothing."""

SHUFFLE, WILD_SHUFFLE = 0.3, 3.0
"""How far, as a share of its gain, a request may come forward in a rebuild: most times, and at times."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds of the squeaky wheel, passes of ejection, and ruins for each request."""

    rounds: int
    passes: int
    ruins: int


EFFORTS = (
    (2_000, Effort(rounds=8, passes=40, ruins=20)),
    (20_000, Effort(rounds=4, passes=10, ruins=2)),
)
"""For markets with at most so many requests; a large one is searched less for each of them."""

LEAST_EFFORT = Effort(rounds=1, passes=0, ruins=0)


def effort(requests: int) -> Effort:
    """How long a market with so many requests is searched."""
    return next((chosen for most, chosen in EFFORTS if requests <= most), LEAST_EFFORT)


def hunt(guide: Guide, ties: Ties, gains: Ints, entered: Ints, effort: Effort, seed: int) -> State:
    """Placements with a high surplus.

    ``gains`` are what requests gain at most at shadow prices; ``entered`` ranks them by time of entry
    (and breaks all ties). ``seed`` is any number.
    """
    at_cost = guide._replace(price=guide.cost, hopes=np.full_like(guide.hopes, NEVER))
    best = _boosted_rounds(guide, at_cost, ties, gains, entered, effort)
    if effort.passes == effort.ruins == 0:
        return best
    weights = np.maximum(gains, 1).astype(np.float64)
    draft = blank(guide)
    draft.luck[0] = seed | 1
    eject(guide, at_cost, ties, best, draft, effort.passes)
    draft.overlooked[0] = OVERLOOKED
    _ruin_and_recreate(guide, at_cost, ties, best, draft, weights, effort.ruins * int(gains.size))
    place_waiting(at_cost, ties, best, gains, entered)
    return best


def place_waiting(guide: Guide, ties: Ties, state: State, gains: Ints, entered: Ints) -> None:
    """Place those that have no place, the most promising first."""
    waiting = np.flatnonzero(state.want < 0)
    order = waiting[np.lexsort((entered[waiting], -np.maximum(gains[waiting], 1)))]
    _greedy(guide, ties, state, blank(guide), order)


def _boosted_rounds(
    guide: Guide, at_cost: Guide, ties: Ties, gains: Ints, entered: Ints, effort: Effort
) -> State:
    weights = np.maximum(gains, 1).astype(np.float64)
    boosts = np.ones_like(weights)
    best, most = nobody_placed(guide, ties), -1
    for _ in range(effort.rounds):
        tried = nobody_placed(guide, ties)
        order = np.lexsort((entered, -weights * boosts))
        _greedy(guide, ties, tried, blank(guide), order)
        place_waiting(at_cost, ties, tried, gains, entered)
        surplus = int(tried.gain.sum())
        if surplus > most:
            best, most = tried, surplus
        boosts = boosts * (1.0 + BOOST * _losses(guide, tried, gains))
    return best


@compiled
def _greedy(guide: Guide, ties: Ties, state: State, draft: Draft, order: Ints) -> None:
    for request in order:
        insert(guide, ties, state, draft, request)


@compiled
def _losses(guide: Guide, state: State, gains: Ints) -> Floats:
    """Which share of what it could gain at shadow prices each request does not."""
    losses = np.zeros(gains.size)
    for request in range(gains.size):
        if gains[request] <= 0:
            continue
        lost = float(gains[request])
        if state.want[request] >= 0:
            lost -= state.gain[request]
            for take in range(state.runs[request]):
                row, cards, begun, slots = state.takes[request, take]
                rent = guide.price[row, begun + slots] - guide.price[row, begun]
                rent -= guide.cost[row, begun + slots] - guide.cost[row, begun]
                lost += rent * cards
        losses[request] = min(max(lost / gains[request], 0.0), 1.0)
    return losses


@compiled
def _ruin_and_recreate(
    guide: Guide,
    at_cost: Guide,
    ties: Ties,
    state: State,
    draft: Draft,
    weights: Floats,
    rounds: int,
) -> None:
    marked = np.zeros(weights.size, dtype=np.int64)
    touched = np.empty(MOST_RUINED + MOST_WAITING + 1, dtype=np.int64)
    order, keys = np.empty(touched.size, dtype=np.int64), np.empty(touched.size)
    saved = np.empty((touched.size, 2), dtype=np.int64)
    saved_takes = np.empty((touched.size, MOST_TAKES, 4), dtype=np.int64)
    luck = draft.luck
    patience = PATIENCE * float(state.gain.sum()) / max(int(np.count_nonzero(state.want >= 0)), 1)
    hopeful = np.flatnonzero(guide.entries[guide.first[:-1]] < guide.entries[guide.first[1:]])
    if hopeful.size == 0:
        return
    for round_ in range(1, rounds + 1):
        request = _somebody(state.want, hopeful, luck)
        want = guide.first[request]
        want += draw(luck, guide.first[request + 1] - want)
        row = _some_row(guide.entries, guide.ranges, want, luck)
        if row < 0:
            continue
        tie = _some_tie(ties.first, ties.of, request, luck)
        ruined = _to_be_freed(guide, ties, state, request, want, row, tie, marked, round_, touched, luck)
        before = 0
        for index in range(ruined):
            _save(state.want, state.runs, state.takes, touched[index], saved[index], saved_takes[index])
            before += take_off(guide, ties, state, touched[index])
        count = _waiting(guide, ties, state.want, request, row, tie, marked, round_, touched, ruined, luck)
        _line_up(weights, touched, order, keys, count, luck)
        after, looked_at = 0, at_cost if draw(luck, TIMES_AT_COST) == 0 else guide
        for place in range(count):
            after += insert(looked_at, ties, state, draft, touched[order[place]])
        allowance = patience * (rounds - round_) / rounds * draw(luck, 1024) / 1024
        if after + allowance <= before:
            for index in range(count):
                if state.want[touched[index]] >= 0:
                    take_off(guide, ties, state, touched[index])
            for index in range(ruined):
                _restore(draft.found, draft.takes, saved[index], saved_takes[index])
                put(guide, ties, state, draft, touched[index])


@compiled
def _line_up(weights: Floats, touched: Ints, order: Ints, keys: Floats, count: int, luck: Words) -> None:
    """Order those to be put back by what they gain, the most first, some of them by chance before others."""
    shuffle = WILD_SHUFFLE if draw(luck, 3) == 0 else SHUFFLE
    for index in range(count):
        key = weights[touched[index]] * (1.0 + shuffle * draw(luck, 1000) / 1000.0)
        place = index
        while place > 0 and keys[place - 1] < key:
            keys[place], order[place] = keys[place - 1], order[place - 1]
            place -= 1
        keys[place], order[place] = key, index


@compiled
def _somebody(wants: Ints, hopeful: Ints, luck: Words) -> int:
    """Some request that has where to look, more likely one that waits."""
    request = hopeful[draw(luck, hopeful.size)]
    for _ in range(TRIES_FOR_A_WAITING_ONE):
        if wants[request] < 0:
            break
        request = hopeful[draw(luck, hopeful.size)]
    return int(request)


@compiled
def _some_row(entries: Ints, ranges: Ints, want: int, luck: Words) -> int:
    """An offer in which the want may look, more likely a promising one; -1 if there is none."""
    first, count = entries[want], entries[want + 1] - entries[want]
    if count == 0:
        return -1
    entry = first + min(draw(luck, count), draw(luck, count))
    return int(ranges[entry, 0] + draw(luck, ranges[entry, 1] - ranges[entry, 0]))


@compiled
def _some_tie(first: Ints, of: Ints, request: int, luck: Words) -> int:
    """Something that ties the request to others, half of the times; -1 if there is nothing."""
    count = first[request + 1] - first[request]
    if count == 0 or draw(luck, 2) == 0:
        return -1
    return int(of[first[request] + draw(luck, count)])


@compiled
def _to_be_freed(
    guide: Guide,
    ties: Ties,
    state: State,
    request: int,
    want: int,
    row: int,
    tie: int,
    marked: Ints,
    mark: int,
    touched: Ints,
    luck: Words,
) -> int:
    """Collect the request, if it is placed, others that it is tied to, and what overlaps a run that it might
    take on the row, or on others that draw on the same power."""
    slots, earliest, count = guide.wants[want, DURATION], guide.wants[want, EARLIEST], 0
    start = earliest + draw(luck, max(guide.wants[want, DEADLINE] - slots - earliest + 1, 1))
    if state.want[request] >= 0:
        touched[0], marked[request], count = request, mark, 1
    if tie >= 0:
        count = _tied(ties, state.want, tie, True, marked, mark, touched, count, MOST_RUINED // 2, luck)
    count = _overlapping(
        state.head, state.after, state.takes, row, start, start + slots, marked, mark, touched, count
    )
    site = ties.offers[row, SITE]
    if site >= 0:
        for place in range(ties.housed_first[site], ties.housed_first[site + 1]):
            other = ties.housed[place]
            count = _overlapping(
                state.head,
                state.after,
                state.takes,
                other,
                start,
                start + slots,
                marked,
                mark,
                touched,
                count,
            )
    return count


@compiled
def _overlapping(
    head: Ints,
    behind: Ints,
    takes: Ints,
    row: int,
    start: int,
    end: int,
    marked: Ints,
    mark: int,
    touched: Ints,
    count: int,
) -> int:
    """Add who holds cards of an offer in the slots from ``start`` to before ``end``."""
    link = head[row]
    while link >= 0 and count < MOST_RUINED:
        other, take = link // MOST_TAKES, link % MOST_TAKES
        begun, slots = takes[other, take, BEGUN], takes[other, take, SLOTS]
        if begun < end and begun + slots > start and marked[other] != mark:
            touched[count], marked[other] = other, mark
            count += 1
        link = behind[link]
    return count


@compiled
def _tied(
    ties: Ties,
    wants: Ints,
    tie: int,
    placed: bool,
    marked: Ints,
    mark: int,
    touched: Ints,
    count: int,
    most: int,
    luck: Words,
) -> int:
    """Add requests of a group that are placed, or that wait, from a random one on, up to ``most`` in all."""
    first = ties.member_first[tie]
    members = ties.member_first[tie + 1] - first
    begin = draw(luck, members)
    for step in range(members):
        if count >= most:
            break
        other = ties.member[first + (begin + step) % members]
        if (wants[other] >= 0) == placed and marked[other] != mark:
            touched[count], marked[other] = other, mark
            count += 1
    return count


@compiled
def _waiting(
    guide: Guide,
    ties: Ties,
    wants: Ints,
    request: int,
    row: int,
    tie: int,
    marked: Ints,
    mark: int,
    touched: Ints,
    count: int,
    luck: Words,
) -> int:
    """Add the request, and some others that wait and could use the row or are tied to it, to those to be
    put back."""
    if marked[request] != mark:
        touched[count], marked[request] = request, mark
        count += 1
    requests, most = wants.size, count + MOST_WAITING
    if tie >= 0:
        count = _tied(ties, wants, tie, False, marked, mark, touched, count, count + MOST_WAITING // 2, luck)
    other = draw(luck, requests)
    for _ in range(min(requests, 8 * MOST_WAITING)):
        if count == most:
            break
        other = other + 1 if other + 1 < requests else 0
        if wants[other] >= 0 or marked[other] == mark:
            continue
        if serves(guide.bits, guide.wants[guide.first[other], PROFILE], row):
            touched[count], marked[other] = other, mark
            count += 1
    return count


@compiled
def _save(want: Ints, count: Ints, takes: Ints, request: int, saved: Ints, saved_takes: Ints) -> None:
    saved[0], saved[1] = want[request], count[request]
    for take in range(count[request]):
        for column in range(4):
            saved_takes[take, column] = takes[request, take, column]


@compiled
def _restore(found: Ints, takes: Ints, saved: Ints, saved_takes: Ints) -> None:
    found[0], found[1] = saved[0], saved[1]
    for take in range(saved[1]):
        for column in range(4):
            takes[take, column] = saved_takes[take, column]
