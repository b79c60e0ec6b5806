"""Putting a request where it gains most at shadow prices: the move that the search is made of.

Placements here are sound in everything but prices: cards, windows, lots, gangs, choices, owner caps and
power caps are kept, and each request gains on its own. A budget is kept at what cards cost. Real prices and
limits are looked at afterwards (see ``book``).
"""

from __future__ import annotations

from marketplace.engine.columns import DIVISIBLE, GANGS, NEVER
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    ALONE,
    AMOUNT,
    CARDS,
    DEADLINE,
    DURATION,
    EARLIEST,
    KIND,
    ROW,
    SLOTS,
    Draft,
    Guide,
)
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words
from marketplace.engine.mixing import from_several_rows, gather
from marketplace.engine.spreading import spread
from marketplace.engine.state import State, put
from marketplace.engine.ties import BUDGET, CAPPED, CHOICE, OWNER, OWNER_CAP, SITE, TIE, WATTS, Ties
from marketplace.engine.whole import part_on_one_row, tighten, whole_on_one_row

TRIES = 6
"""Drafts of one request, each without what the one before took too much of."""


@compiled
def insert(guide: Guide, ties: Ties, state: State, draft: Draft, request: int) -> int:
    """Place a request where it gains most at shadow prices; what it gains in truth, 0 if nowhere."""
    tied = ties.first[request + 1] > ties.first[request]
    if tied and not _allow(ties, state.left, draft.purse, draft.hours, request):
        return 0
    gain, tried = 0, 0
    while tried < TRIES:
        tried += 1
        draft_best(guide, state.free, state.openings, draft, request)
        if draft.found[0] < 0:
            break
        if draft.found[1] == 1 or _keeps_caps(
            ties, state.left, state.power, draft.takes, draft.found[1], draft.hours, request
        ):
            gain = put(guide, ties, state, draft, request)
            break
    if tied or tried > 1:
        _allow_everything(ties, draft.purse, draft.hours, request)
    return gain


@compiled
def draft_best(guide: Guide, free: Ints, openings: Words, draft: Draft, request: int) -> None:
    """Draft the best placement of all alternatives; ``found`` is -1 if none gains.

    A mix or a part is looked for even where one offer could serve all: it may gain more.
    """
    best, draft.found[0] = 0, -1
    for want in range(guide.first[request], guide.first[request + 1]):
        asked = guide.wants[want]
        if asked[KIND] == DIVISIBLE:
            best = _draft_divisible(guide, free, openings, draft, want, best)
            continue
        kind, amount, slots = asked[KIND], asked[AMOUNT], asked[DURATION]
        best = whole_on_one_row(guide, free, openings, draft, want, slots, amount, best)
        if kind == GANGS and amount == 1:
            continue
        gathered = gather(guide, free, openings, draft, want, slots)
        if asked[ALONE] == 1:
            best = part_on_one_row(guide, draft, want, slots, gathered, best)
        else:
            best = from_several_rows(guide, draft, want, slots, gathered, best)


@compiled
def _draft_divisible(guide: Guide, free: Ints, openings: Words, draft: Draft, want: int, best: int) -> int:
    """Draft divisible work, in one run or in several, if it gains more than ``best``."""
    amount, alone = guide.wants[want, AMOUNT], best
    slots = guide.wants[want, DEADLINE] - guide.wants[want, EARLIEST]
    while slots >= 1:
        cards_at_once = (amount + slots - 1) // slots
        alone = whole_on_one_row(guide, free, openings, draft, want, slots, cards_at_once, alone)
        slots //= 2
    if alone > best:
        alone = tighten(guide, draft)
    return spread(guide, free, openings, draft, want, alone)


@compiled
def _allow(ties: Ties, left: Ints, purse: Ints, hours: Ints, request: int) -> bool:
    """Note what the ties of a request allow; whether they allow anything.

    Choices come before owner caps, so that there is nothing to take back if one is used up.
    """
    for entry in range(ties.first[request], ties.first[request + 1]):
        tie = ties.of[entry]
        if ties.kinds[tie, TIE] == BUDGET:
            purse[0] = min(purse[0], left[tie])
        elif ties.kinds[tie, TIE] == CHOICE:
            if left[tie] < 1:
                purse[0] = NEVER
                return False
        else:
            _limit_owner(ties, hours, ties.kinds[tie, CAPPED], left[tie])
    return True


@compiled
def _allow_everything(ties: Ties, purse: Ints, hours: Ints, request: int) -> None:
    """Forget what limited a request."""
    purse[0] = NEVER
    for row in ties.housed:
        hours[row] = NEVER
    for entry in range(ties.first[request], ties.first[request + 1]):
        tie = ties.of[entry]
        if ties.kinds[tie, TIE] == OWNER_CAP:
            _limit_owner(ties, hours, ties.kinds[tie, CAPPED], NEVER)


@compiled
def _limit_owner(ties: Ties, hours: Ints, owner: int, most: int) -> None:
    for place in range(ties.owned_first[owner], ties.owned_first[owner + 1]):
        hours[ties.owned[place]] = most


@compiled
def _keeps_caps(
    ties: Ties, left: Ints, power: Ints, takes: Ints, count: int, hours: Ints, request: int
) -> bool:
    """Whether takes of several offers are within all caps; if not, one offer is limited to what is left."""
    for number in range(count):
        row, own = takes[number, ROW], 0
        for other in range(count):
            if takes[other, ROW] == row:
                own += takes[other, CARDS] * takes[other, SLOTS]
        most = own
        if hours[row] < NEVER:
            most = min(most, _left_of_owner(ties, left, takes, number, request))
        if ties.offers[row, SITE] >= 0:
            most = min(most, own - _without_power(ties, power, takes, number))
        if own > most:
            hours[row] = most
            return False
    return True


@compiled
def _left_of_owner(ties: Ties, left: Ints, takes: Ints, number: int, request: int) -> int:
    """The card-hours that owner caps leave the offer of a take, beside the takes of others before it."""
    row, most = takes[number, ROW], NEVER
    for entry in range(ties.first[request], ties.first[request + 1]):
        tie = ties.of[entry]
        if ties.kinds[tie, TIE] != OWNER_CAP or ties.kinds[tie, CAPPED] != ties.offers[row, OWNER]:
            continue
        others = 0
        for other in range(number):
            if takes[other, ROW] != row and ties.offers[takes[other, ROW], OWNER] == ties.offers[row, OWNER]:
                others += takes[other, CARDS] * takes[other, SLOTS]
        most = min(most, max(left[tie] - others, 0))
    return most


@compiled
def _without_power(ties: Ties, power: Ints, takes: Ints, number: int) -> int:
    """The card-hours of a take for which the takes of others before it leave no power.

    What is too much in one of its slots is too much in all of them.
    """
    row, cards, begun, slots = takes[number]
    watts, allowed = ties.offers[row, WATTS], cards
    for slot in range(begun, begun + slots):
        left = power[ties.offers[row, SITE], slot]
        for other in range(number):
            beside, beside_cards, first, lasting = takes[other]
            if (
                beside != row
                and ties.offers[beside, SITE] == ties.offers[row, SITE]
                and first <= slot < first + lasting
            ):
                left -= beside_cards * ties.offers[beside, WATTS]
        if allowed * watts > left:
            allowed = max(left // watts, 0)
    return int((cards - allowed) * slots)
