"""The figures of an explanation are those of asking every offer in turn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.engine import Outcome, Snapshot, clear
from marketplace.engine.asked import asked, kinds
from marketplace.engine.budgets import card_budget, quotient
from marketplace.engine.columns import NEVER
from marketplace.engine.eligibility import Eligibility
from marketplace.engine.facts import Facts
from marketplace.engine.funnels import DEAR, LATE, SHORT, WITHIN, Held, funnelled
from marketplace.engine.shelf import whole_shelf
from marketplace.engine.validation import MAX_CARDS, MAX_MONEY, MAX_NP, MAX_SLOTS
from marketplace.engine.want import bases, wants
from tests.engine.effort import markets
from tests.engine.markets import market, national, offer, request
from tests.engine.strategies import crowds, everything, snapshots, with_hours
from tests.engine.told import Told


@given(snapshots() | crowds() | with_hours(everything(snapshots())))
@markets(60)
def test_every_figure_is_the_one_that_plain_counting_gives(snapshot: Snapshot) -> None:
    _compare(snapshot)


def test_so_it_is_in_a_market_with_dips_and_nights() -> None:
    _compare(national(3, offers=50, requests=120, slots=60))


def _compare(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    told = Told(snapshot, result)
    requests = {each.id: each for each in snapshot.requests}
    for explanation in result.explanations:
        asked_for = requests[explanation.request]
        wanted = {each.position: each for each in asked_for.alternatives}
        for funnel in explanation.funnels:
            assert funnel.removed == told.removed(asked_for, wanted[funnel.alternative])
        if explanation.outcome is Outcome.UNMATCHED:
            assert explanation.price == told.price(asked_for)
            assert explanation.foregone == told.foregone(asked_for)


def test_offers_are_counted_however_many_there_are() -> None:
    """More than are looked at together: each fourth is late, too small, too dear or right."""
    kinds_of_offer = ({"first_slot": 2, "hours": 1}, {"cards": 4}, {"ask": 30}, {})
    offers = [offer(number, **{"hours": 3, **kinds_of_offer[number % 4]}) for number in range(1, 9_003)]
    snapshot = market(offers, [request(duration=2, deadline=3)], slots=3)
    facts = Facts(snapshot)
    want = next(wants(snapshot.requests[0], bases(snapshot)))
    eligibility = Eligibility(facts)
    columns = asked(facts, [want], [eligibility.profile(want)])
    shelf, nobody = whole_shelf(facts, facts.free, facts.asks), Held.of([[]])
    swept = funnelled(
        columns, kinds(facts), [shelf], facts.minimum, eligibility.bits(), nobody, np.array([True])
    )
    counts = swept.counts[0]
    assert (counts[LATE], counts[SHORT], counts[DEAR], counts[WITHIN]) == (2_250, 2_251, 2_251, 2_250)
    fitting = np.flatnonzero(np.unpackbits(swept.fitting[0], count=len(facts)))
    assert {facts.offers[row].id % 4 for row in fitting} == {2, 3}
    assert fitting.size == 4_501


large = st.integers(0, 2**60)
compiling = settings(deadline=None)
"""The first example waits for the compiler."""


@given(large, large, large.filter(bool))
@compiling
def test_a_quotient_needs_no_product(one: int, other: int, divisor: int) -> None:
    assert quotient(one, other, divisor) == min(one * other // divisor, NEVER)


@given(
    limit=st.integers(0, MAX_MONEY),
    filled=st.integers(0, MAX_NP),
    cards=st.integers(1, MAX_NP + MAX_CARDS),
    base=st.integers(1, MAX_MONEY),
    own=st.integers(1, MAX_MONEY),
    duration=st.integers(1, MAX_SLOTS),
    scale=st.sampled_from([1, 10**6]),
)
@compiling
def test_a_budget_is_exact_at_the_ends_of_what_is_allowed(
    limit: int, filled: int, cards: int, base: int, own: int, duration: int, scale: int
) -> None:
    if scale == 1:
        filled = filled % (MAX_CARDS + 1)
    exact = limit * filled // scale * (own * duration) // (cards * base)
    budget = card_budget(filled, cards, limit, scale, own * duration, base)
    assert budget == exact if exact < 2**53 else budget >= 2**53
