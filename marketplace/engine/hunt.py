"""The search for placements: greedy in the order of surplus, then boosted, then ruined and rebuilt.

1. *Greedy*: requests in the order of what they gain at shadow prices, each where it gains most.
2. *Squeaky wheel* (Joslin and Clements, 1999): greedy again and again; a request that got less than
   it could at those prices comes sooner the next time. The best round is kept.
3. *Ruin and recreate* (Schrimpf et al., 2000): free what overlaps a place that some request would
   like, put back what was there and some that are waiting in a random order of gain, overlooking offers
   at random (Christiaens and Vanden Berghe, 2020), and keep the change if the market is the better for
   it, or at first not much the worse (Dueck and Scheuer, 1990).

The number of rounds depends on the size of the market and on nothing else, and the only chance is
that of a generator seeded by the snapshot: the same market is searched in the same way everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketplace.engine import placing
from marketplace.engine.columns import Demand, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words, draw
from marketplace.engine.placing import (
    MOST_TAKES,
    Draft,
    Guide,
    State,
    insert,
    put,
    take_off,
)

Floats = NDArray[np.float64]

BOOST = 0.1
"""By how much a request that lost all that it could gain comes forward in the next round."""

MOST_RUINED, MOST_WAITING = 8, 4
"""Placements freed at a time, and waiting requests that are tried with them."""

TRIES_FOR_A_WAITING_ONE = 3
OVERLOOKED = 400
"""How likely an offer is not looked at while something is put back, in 1/1024."""

PATIENCE = 0.1
"""How much worse the first changes may leave the market, as a share of what a placement gains on average;
it falls to nothing."""

SHUFFLE, WILD_SHUFFLE = 0.3, 3.0
"""How far, as a share of its gain, a request may come forward in a rebuild: most times, and at times."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds of the squeaky wheel, and of ruin and recreate for each request."""

    rounds: int
    ruins: int


EFFORTS = ((2_000, Effort(rounds=8, ruins=60)), (20_000, Effort(rounds=2, ruins=10)))
"""For markets with at most so many requests; a large one is searched less for each of them."""

LEAST_EFFORT = Effort(rounds=1, ruins=1)


def effort(requests: int) -> Effort:
    """How long a market with so many requests is searched."""
    return next((chosen for most, chosen in EFFORTS if requests <= most), LEAST_EFFORT)


def hunt(guide: Guide, gains: Ints, entered: Ints, effort: Effort, seed: int) -> State:
    """Placements with a high surplus.

    ``gains`` are what requests gain at most at shadow prices; ``entered`` ranks them by time of entry
    (and breaks all ties). ``seed`` is any number.
    """
    best = _boosted_rounds(guide, gains, entered, effort)
    ruins = effort.ruins * int(gains.size)
    weights = np.maximum(gains, 1).astype(np.float64)
    draft = placing.draft(guide)
    draft.luck[0], draft.overlooked[0] = seed | 1, OVERLOOKED
    _ruin_and_recreate(guide, best, draft, weights, ruins)
    return best


def _boosted_rounds(guide: Guide, gains: Ints, entered: Ints, effort: Effort) -> State:
    weights = np.maximum(gains, 1).astype(np.float64)
    boosts = np.ones_like(weights)
    best, most = placing.state(guide), -1
    for _ in range(effort.rounds):
        tried = placing.state(guide)
        order = np.lexsort((entered, -weights * boosts))
        _greedy(guide, tried, placing.draft(guide), order, effort.ruins > 0)
        surplus = int(tried.gain.sum())
        if surplus > most:
            best, most = tried, surplus
        boosts = boosts * (1.0 + BOOST * _losses(guide, tried, gains))
    return best


@compiled
def _greedy(guide: Guide, state: State, draft: Draft, order: Ints, thorough: bool) -> None:
    for request in order:
        insert(guide, state, draft, request, thorough)


@compiled
def _losses(guide: Guide, state: State, gains: Ints) -> Floats:
    """Which share of what it could gain at shadow prices each request does not."""
    losses = np.zeros(gains.size)
    for request in range(gains.size):
        if gains[request] <= 0:
            continue
        lost = float(gains[request])
        if state.want[request] >= 0:
            start, end = state.start[request], state.start[request] + state.slots[request]
            lost -= state.gain[request]
            for take in range(state.takes[request]):
                row = state.row[request, take]
                rent = guide.price[row, end] - guide.price[row, start]
                rent -= guide.cost[row, end] - guide.cost[row, start]
                lost += rent * state.cards[request, take]
        losses[request] = min(max(lost / gains[request], 0.0), 1.0)
    return losses


@compiled
def _ruin_and_recreate(guide: Guide, state: State, draft: Draft, weights: Floats, rounds: int) -> None:
    marked = np.zeros(weights.size, dtype=np.int64)
    touched = np.empty(MOST_RUINED + MOST_WAITING + 1, dtype=np.int64)
    keys = np.empty(touched.size)
    saved = np.empty((touched.size, 4), dtype=np.int64)
    saved_row = np.empty((touched.size, MOST_TAKES), dtype=np.int64)
    saved_cards = np.empty((touched.size, MOST_TAKES), dtype=np.int64)
    luck = draft.luck
    patience = PATIENCE * float(state.gain.sum()) / max(int(np.count_nonzero(state.want >= 0)), 1)
    for round_ in range(1, rounds + 1):
        request = _somebody(state, guide.demand, luck)
        want = guide.demand.first[request]
        want += draw(luck, guide.demand.first[request + 1] - want)
        row = _some_row(guide, want, luck)
        if row < 0:
            continue
        ruined = _overlapping(guide, state, request, want, row, marked, round_, touched, luck)
        before = 0
        for index in range(ruined):
            _save(state, touched[index], saved[index], saved_row[index], saved_cards[index])
            before += take_off(state, touched[index])
        count = _waiting(guide, state, request, row, marked, round_, touched, ruined, luck)
        shuffle = WILD_SHUFFLE if draw(luck, 3) == 0 else SHUFFLE
        for index in range(count):
            keys[index] = -weights[touched[index]] * (1.0 + shuffle * draw(luck, 1000) / 1000.0)
        after = 0
        for index in np.argsort(keys[:count], kind="mergesort"):
            after += insert(guide, state, draft, touched[index], False)
        allowance = patience * (rounds - round_) / rounds * draw(luck, 1024) / 1024
        if after + allowance <= before:
            for index in range(count):
                if state.want[touched[index]] >= 0:
                    take_off(state, touched[index])
            for index in range(ruined):
                _restore(draft, saved[index], saved_row[index], saved_cards[index])
                put(guide, state, draft, touched[index])


@compiled
def _somebody(state: State, demand: Demand, luck: Words) -> int:
    """Some request, more likely one that waits."""
    requests = demand.first.size - 1
    request = draw(luck, requests)
    for _ in range(TRIES_FOR_A_WAITING_ONE):
        if state.want[request] < 0:
            break
        request = draw(luck, requests)
    return request


@compiled
def _some_row(guide: Guide, want: int, luck: Words) -> int:
    """An offer in which the want may look, more likely a promising one; -1 if there is none."""
    first, entries = guide.lists.first[want], guide.lists.first[want + 1] - guide.lists.first[want]
    if entries == 0:
        return -1
    entry = first + min(draw(luck, entries), draw(luck, entries))
    cell = guide.lists.cell[entry]
    first = int(guide.cells.first[cell])
    return first + draw(luck, guide.cells.first[cell + 1] - first)


@compiled
def _overlapping(
    guide: Guide,
    state: State,
    request: int,
    want: int,
    row: int,
    marked: Ints,
    mark: int,
    touched: Ints,
    luck: Words,
) -> int:
    """Collect the request, if it is placed, and what overlaps a run that it might take on the row."""
    demand, count = guide.demand, 0
    slots = demand.duration[want]
    start = demand.earliest[want] + draw(
        luck, max(demand.deadline[want] - slots - demand.earliest[want] + 1, 1)
    )
    if state.want[request] >= 0:
        touched[0], marked[request], count = request, mark, 1
    link = state.head[row]
    while link >= 0 and count < MOST_RUINED:
        other = link // MOST_TAKES
        begun, ended = state.start[other], state.start[other] + state.slots[other]
        if begun < start + slots and ended > start and marked[other] != mark:
            touched[count], marked[other] = other, mark
            count += 1
        link = state.after[link]
    return count


@compiled
def _waiting(
    guide: Guide,
    state: State,
    request: int,
    row: int,
    marked: Ints,
    mark: int,
    touched: Ints,
    count: int,
    luck: Words,
) -> int:
    """Add the request and some others that wait, and could use the row, to those to be put back."""
    if marked[request] != mark:
        touched[count], marked[request] = request, mark
        count += 1
    requests, added = guide.demand.first.size - 1, 0
    other = draw(luck, requests)
    for _ in range(min(requests, 8 * MOST_WAITING)):
        if added == MOST_WAITING:
            break
        other = other + 1 if other + 1 < requests else 0
        if state.want[other] >= 0 or marked[other] == mark:
            continue
        if serves(guide.bits, guide.demand.profile[guide.demand.first[other]], row):
            touched[count], marked[other] = other, mark
            count, added = count + 1, added + 1
    return count


@compiled
def _save(state: State, request: int, saved: Ints, row: Ints, cards: Ints) -> None:
    saved[0], saved[1] = state.want[request], state.start[request]
    saved[2], saved[3] = state.slots[request], state.takes[request]
    row[:] = state.row[request]
    cards[:] = state.cards[request]


@compiled
def _restore(draft: Draft, saved: Ints, row: Ints, cards: Ints) -> None:
    draft.found[:] = saved
    draft.row[:] = row
    draft.cards[:] = cards
