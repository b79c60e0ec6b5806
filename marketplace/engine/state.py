"""Who holds which cards during the search, and what is left of what ties orders together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import DIVISIBLE
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    AMOUNT,
    BEGUN,
    CARDS,
    KIND,
    LOT,
    MODEL,
    MOST_TAKES,
    ROW,
    SLOTS,
    WORTH,
    Draft,
    Guide,
    part_of_worth,
    step_cards,
    step_units,
)
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words
from marketplace.engine.openings import no_openings, note_openings
from marketplace.engine.ties import BUDGET, CAPPED, CHOICE, OWNER, PLACE, SITE, TIE, WATTS, Ties


class State(NamedTuple):
    """Who holds which cards. ``want`` is -1 for a request that is not placed.

    ``takes`` (request, number, column) has the first ``runs`` of a request in use. Takes of one row form a
    list: ``head`` by row, ``after`` and ``before`` by take (request * MOST_TAKES + number of the take), -1
    where it ends.

    ``free`` are cards that may still be sold: as many as there are, and as the power of their site
    allows; ``openings`` says where they may be free over a run. ``stock`` (places, slots) are the cards
    there are at sites with a cap, ``power`` (sites, slots) what is left of it; ``left`` what is left of
    each tie.
    """

    free: Ints
    openings: Words
    want: Ints
    runs: Ints
    takes: Ints
    gain: Ints
    head: Ints
    after: Ints
    before: Ints
    stock: Ints
    power: Ints
    left: Ints


def nobody_placed(guide: Guide, ties: Ties) -> State:
    requests, rows = guide.first.size - 1, guide.free.shape[0]

    def filled(size: int, value: int) -> Ints:
        return np.full(size, value, dtype=np.int64)

    made = State(
        free=guide.free.copy(),
        openings=no_openings(rows, guide.free.shape[1], int(guide.free.max(initial=0))),
        want=filled(requests, -1),
        runs=filled(requests, 0),
        takes=np.zeros((requests, MOST_TAKES, 4), dtype=np.int64),
        gain=filled(requests, 0),
        head=filled(rows, -1),
        after=filled(requests * MOST_TAKES, -1),
        before=filled(requests * MOST_TAKES, -1),
        stock=guide.free[ties.housed],
        power=ties.power.copy(),
        left=ties.left.copy(),
    )
    for site in range(ties.power.shape[0]):
        _share_power(ties, made.free, made.openings, made.stock, made.power, site, 0, guide.free.shape[1])
    _note_all(made.openings, made.free)
    return made


@compiled
def _note_all(openings: Words, free: Ints) -> None:
    for row in range(free.shape[0]):
        note_openings(openings, free, row, 0, free.shape[1])


@compiled
def put(guide: Guide, ties: Ties, state: State, draft: Draft, request: int) -> int:
    """Place a request as drafted; its surplus."""
    want, count = draft.found[0], draft.found[1]
    free, takes, held = state.free, draft.takes, state.takes
    for number in range(count):
        row, cards = takes[number, ROW], takes[number, CARDS]
        begun, slots = takes[number, BEGUN], takes[number, SLOTS]
        if ties.offers[row, SITE] < 0:
            for slot in range(begun, begun + slots):
                free[row, slot] -= cards
            note_openings(state.openings, free, row, begun, begun + slots)
        else:
            _draw(ties, free, state.openings, state.stock, state.power, row, cards, begun, slots)
        held[request, number, ROW], held[request, number, CARDS] = row, cards
        held[request, number, BEGUN], held[request, number, SLOTS] = begun, slots
        link, behind = request * MOST_TAKES + number, state.head[row]
        state.after[link], state.before[link] = behind, -1
        if behind >= 0:
            state.before[behind] = link
        state.head[row] = link
    state.want[request], state.runs[request] = want, count
    state.gain[request] = _surplus(guide, draft.takes, want, count)
    if ties.first[request + 1] > ties.first[request]:
        _tie(ties, guide.cost, state.left, state.takes[request], count, request, 1)
    return int(state.gain[request])


@compiled
def take_off(guide: Guide, ties: Ties, state: State, request: int) -> int:
    """Free the cards of a placed request; the surplus that it had."""
    free, held, count = state.free, state.takes, state.runs[request]
    if ties.first[request + 1] > ties.first[request]:
        _tie(ties, guide.cost, state.left, state.takes[request], count, request, -1)
    for number in range(count):
        row, cards = held[request, number, ROW], held[request, number, CARDS]
        begun, slots = held[request, number, BEGUN], held[request, number, SLOTS]
        if ties.offers[row, SITE] < 0:
            for slot in range(begun, begun + slots):
                free[row, slot] += cards
            note_openings(state.openings, free, row, begun, begun + slots)
        else:
            _draw(ties, free, state.openings, state.stock, state.power, row, -cards, begun, slots)
        link = request * MOST_TAKES + number
        before, after = state.before[link], state.after[link]
        if before >= 0:
            state.after[before] = after
        else:
            state.head[row] = after
        if after >= 0:
            state.before[after] = before
    gain = int(state.gain[request])
    state.want[request], state.runs[request], state.gain[request] = -1, 0, 0
    return gain


@compiled
def _surplus(guide: Guide, takes: Ints, want: int, count: int) -> int:
    """What the takes are worth to the want, less what they cost their owners."""
    total, offers, asked, cost, units = guide.cost, guide.offers, guide.wants[want], 0, 0
    kind = asked[KIND]
    for number in range(count):
        row, cards = takes[number, ROW], takes[number, CARDS]
        begun, slots = takes[number, BEGUN], takes[number, SLOTS]
        cost += cards * (total[row, begun + slots] - total[row, begun])
        model = offers[row, MODEL]
        step = step_cards(kind, guide.part[want, model], offers[row, LOT])
        done = cards // step * step_units(kind, step, guide.rate[want, model])
        units += done * slots if kind == DIVISIBLE else done
    return int(part_of_worth(asked[WORTH], units, asked[AMOUNT]) - cost)


@compiled
def _draw(
    ties: Ties,
    free: Ints,
    openings: Words,
    stock: Ints,
    power: Ints,
    row: int,
    cards: int,
    begun: int,
    slots: int,
) -> None:
    """Take cards, and their power, at a site with a cap; fewer than none gives them back."""
    site, place, watts = ties.offers[row, SITE], ties.offers[row, PLACE], ties.offers[row, WATTS]
    for slot in range(begun, begun + slots):
        stock[place, slot] -= cards
        power[site, slot] -= cards * watts
    _share_power(ties, free, openings, stock, power, site, begun, begun + slots)


@compiled
def _share_power(
    ties: Ties, free: Ints, openings: Words, stock: Ints, power: Ints, site: int, begun: int, end: int
) -> None:
    """What each offer of a site may still sell, as if it were alone there."""
    for place in range(ties.housed_first[site], ties.housed_first[site + 1]):
        row = ties.housed[place]
        watts = ties.offers[row, WATTS]
        for slot in range(begun, end):
            cards = stock[place, slot]
            free[row, slot] = min(cards, power[site, slot] // watts) if watts > 0 else cards
        note_openings(openings, free, row, begun, end)


@compiled
def _tie(ties: Ties, price: Ints, left: Ints, takes: Ints, count: int, request: int, sign: int) -> None:
    """Count what the takes of a request use of its ties, or give it back."""
    for entry in range(ties.first[request], ties.first[request + 1]):
        tie = ties.of[entry]
        used = 1 if ties.kinds[tie, TIE] == CHOICE else 0
        for number in range(count):
            row, cards = takes[number, ROW], takes[number, CARDS]
            begun, slots = takes[number, BEGUN], takes[number, SLOTS]
            if ties.kinds[tie, TIE] == BUDGET:
                used += cards * (price[row, begun + slots] - price[row, begun])
            elif ties.kinds[tie, CAPPED] == ties.offers[row, OWNER]:
                used += cards * slots
        left[tie] -= sign * used
