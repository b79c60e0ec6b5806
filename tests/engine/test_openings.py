"""What the search leaves out because it cannot gain: offers without a run, and cells without hope."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import MICRO, Snapshot, bounding, clear, columns, hunt, solving, verify
from marketplace.engine.bounding import bounded
from marketplace.engine.columns import NEVER
from marketplace.engine.drafting import Guide, blank
from marketplace.engine.market import Market
from marketplace.engine.openings import may_open, no_openings, note_openings
from marketplace.engine.state import State, nobody_placed
from marketplace.engine.ties import ties
from tests.engine.effort import markets
from tests.engine.markets import alternative, offer, request
from tests.engine.markets import market as a_market
from tests.engine.strategies import crowds, everything

SEED = "5eed" * 16


@st.composite
def looks(draw: st.DrawFn) -> tuple[list[int], int, int, int, int]:
    """What an offer has free by slot; cards, slots, and the window in which somebody looks for them."""
    free = draw(st.lists(st.sampled_from((0, 1, 2, 3, 7, 8, 1500)), min_size=1, max_size=150))
    earliest = draw(st.integers(0, len(free) - 1))
    deadline = draw(st.integers(earliest + 1, len(free)))
    slots = draw(st.integers(1, deadline - earliest))
    return free, draw(st.sampled_from((1, 2, 3, 4, 8, 9, 2000))), slots, earliest, deadline


def has_run(free: list[int], cards: int, slots: int, earliest: int, deadline: int) -> bool:
    starts = range(earliest, deadline - slots + 1)
    return any(min(free[start : start + slots]) >= cards for start in starts)


@given(looks())
@markets(300)
def test_no_run_that_is_there_is_overlooked(look: tuple[list[int], int, int, int, int]) -> None:
    free, cards, slots, earliest, deadline = look
    openings = no_openings(1, len(free), max(free))
    note_openings(openings, np.array([free], dtype=np.int64), 0, 0, len(free))
    opens = may_open(openings, 0, cards, slots, earliest, deadline)
    assert opens or not has_run(free, cards, slots, earliest, deadline)
    if {cards.bit_count(), slots.bit_count()} == {1} and cards <= max(free):
        assert opens == has_run(free, cards, slots, earliest, deadline)


def prepared(snapshot: Snapshot) -> tuple[Market, Guide, bounding.Bounded]:
    market = Market(snapshot, SEED)
    found = bounded(market.supplied, market.demanded, market.bits())
    return market, solving._guide(market, found), found


def greedy(market: Market, guide: Guide) -> State:
    state = nobody_placed(guide, tied := ties(market.snapshot, market.facts))
    hunt._greedy(guide, tied, state, blank(guide), np.arange(len(market.snapshot.requests)))
    return state


@given(everything(crowds()))
@markets(25)
def test_openings_follow_what_is_put_and_taken_off(snapshot: Snapshot) -> None:
    market, guide, found = prepared(snapshot)
    tied = ties(market.snapshot, market.facts)
    state = hunt.hunt(
        guide, tied, found.gains, market.ranks, hunt.Effort(rounds=1, passes=2, ruins=5), seed=7
    )
    anew = np.zeros_like(state.openings)
    for row in range(state.free.shape[0]):
        note_openings(anew, state.free, row, 0, state.free.shape[1])
    assert (anew == state.openings).all()


@given(everything(crowds()))
@markets(25)
def test_a_cell_is_left_out_only_where_nothing_better_can_be_had(snapshot: Snapshot) -> None:
    market, guide, _ = prepared(snapshot)
    hopeful = guide._replace(hopes=np.full_like(guide.hopes, NEVER))
    one, other = greedy(market, guide), greedy(market, hopeful)
    assert (one.takes == other.takes).all()
    assert (one.gain == other.gain).all()


def test_a_sample_has_all_wants_of_every_second_request() -> None:
    either = alternative(amount=1), alternative(amount=2, position=1)
    asked = [request(identity, *either, least=MICRO) for identity in range(1, 5)]
    market = Market(a_market([offer()], asked), SEED)
    few = columns.every(market.demanded, 2)
    assert few.request.tolist() == [0, 0, 1, 1]
    assert few.first.tolist() == [0, 2, 4]
    assert few.worth.tolist() == [market.demanded.worth[want] for want in (0, 1, 4, 5)]


@given(everything(crowds()))
@markets(10)
def test_a_market_that_is_taken_for_a_large_one_is_cleared_as_soundly(snapshot: Snapshot) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounding, "FINE_OFFERS", 0)
        patch.setattr(bounding, "SAMPLE", 3)
        patch.setattr(hunt, "EFFORTS", ())
        patch.setattr(solving, "ONE_BY_ONE", 0)
        verify(snapshot, clear(snapshot))
