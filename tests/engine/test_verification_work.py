"""Several gangs and divisible work, in results made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace.engine import (
    MICRO,
    Outcome,
    Placement,
    ResultRefused,
    Rule,
    Snapshot,
    Unit,
    verify,
)
from tests.engine.markets import market, money, offer, request
from tests.engine.records import record


def on(identity: int, first: int, slots: int, cards: int) -> Placement:
    return Placement(1, 0, identity, first, slots, cards)


def broken(snapshot: Snapshot, *placements: Placement) -> set[Rule]:
    """The rules of delivery that are broken; what is not delivered as promised proves no bound."""
    try:
        verify(snapshot, record(snapshot, *placements))
    except ResultRefused as error:
        return set(error.rules) - {Rule.BOUND}
    return set()


def three_gangs(**terms: Any) -> Snapshot:
    """Three gangs of four cards for two hours; offer 2 is sold in lots of three."""
    offers = [offer(1, cards=12), offer(2, cards=12, lot=3)]
    asked = request(**{"amount": 12, "gangs": 3, "duration": 2, **terms})
    return market(offers, [asked])


@pytest.mark.parametrize(
    "placements",
    [
        [on(1, 0, 2, 12)],
        [on(1, 0, 2, 8), on(2, 0, 2, 6)],
        [on(1, 0, 2, 4), on(2, 0, 2, 12)],
    ],
)
def test_each_gang_is_whole_and_in_lots_of_its_own(placements: list[Placement]) -> None:
    assert broken(three_gangs(), *placements) == set()


@pytest.mark.parametrize(
    ("rule", "placements"),
    [
        (Rule.FILL, [on(1, 0, 2, 8)]),
        (Rule.GANG, [on(1, 0, 2, 6), on(2, 0, 2, 6)]),
        (Rule.GANG, [on(1, 0, 2, 8), on(2, 0, 2, 9)]),
        (Rule.FILL, [on(1, 0, 2, 12), on(2, 0, 2, 6)]),
        (Rule.RUN, [on(1, 0, 2, 8), on(2, 1, 2, 6)]),
        (Rule.RUN, [on(1, 0, 3, 12)]),
        (Rule.LOT, [on(1, 0, 2, 8), on(2, 0, 2, 4)]),
    ],
)
def test_other_gangs_are_refused(rule: Rule, placements: list[Placement]) -> None:
    assert rule in broken(three_gangs(), *placements)


@pytest.mark.parametrize(("least", "fewest"), [(1, 1), (333_333, 1), (333_334, 2), (666_667, 3)])
def test_some_of_the_gangs_will_do_but_whole_ones(least: int, fewest: int) -> None:
    """A share of three gangs is rounded up to whole ones."""
    snapshot = three_gangs(least=least)
    for gangs in (1, 2, 3):
        assert broken(snapshot, on(1, 0, 2, 4 * gangs)) == (set() if gangs >= fewest else {Rule.FILL})
    assert Rule.GANG in broken(snapshot, on(1, 0, 2, 6))


def test_some_of_the_gangs_are_worth_their_share_of_the_amount() -> None:
    """Ten micro-nP in three gangs: two of them are six, not eight, at 0.5 per micro-nP and hour."""
    asked = request(
        unit=Unit.NP, amount=10, gangs=3, duration=1, limit=500_000, least=500_000, models=("ascend-910b",)
    )
    snapshot = market([offer(ask=0, cards=2)], [asked])
    result = record(snapshot, on(1, 0, 1, 2))
    verify(snapshot, result)
    assert result.surplus == money(3)
    assert result.explanations[0].outcome is Outcome.PARTLY


def work(*offers: Any, **terms: Any) -> Snapshot:
    """Three card-hours in a window of six hours, without a pause."""
    asked = request(
        **{"amount": 1, "duration": 3, "deadline": 6, "gangs": 0, "divisible": True, "limit": 50, **terms}
    )
    return market(list(offers) or [offer(1, cards=4), offer(2, cards=4)], [asked])


@pytest.mark.parametrize(
    "placements",
    [
        [on(1, 0, 3, 1)],
        [on(1, 3, 3, 1)],
        [on(1, 5, 1, 3)],
        [on(1, 0, 1, 2), on(1, 1, 1, 1)],
        [on(1, 0, 1, 1), on(2, 1, 1, 2)],
        [on(1, 0, 1, 1), on(1, 2, 1, 1), on(2, 1, 1, 1)],
    ],
)
def test_work_may_be_spread_over_hours_and_offers(placements: list[Placement]) -> None:
    assert broken(work(), *placements) == set()


@pytest.mark.parametrize(
    ("rule", "placements"),
    [
        (Rule.FILL, [on(1, 0, 2, 1)]),
        (Rule.FILL, [on(1, 0, 4, 1)]),
        (Rule.RUN, [on(1, 0, 1, 2), on(1, 2, 1, 1)]),
        (Rule.RUN, [on(1, 0, 2, 1), on(1, 2, 1, 1)]),
        (Rule.RUN, [on(1, 0, 2, 1), on(1, 1, 1, 1)]),
        (Rule.WINDOW, [on(1, 6, 3, 1)]),
        (Rule.CAPACITY, [on(1, 0, 1, 5)]),
        (Rule.ORDER, [on(1, 0, 1, 1), on(1, 0, 1, 1), on(2, 0, 1, 1)]),
    ],
)
def test_other_schedules_are_refused(rule: Rule, placements: list[Placement]) -> None:
    assert rule in broken(work(), *placements)


def test_work_that_may_be_interrupted_may_pause() -> None:
    pausing = [on(1, 0, 1, 2), on(1, 2, 1, 1)]
    assert broken(work(interruptible=True), *pausing) == set()
    assert broken(work(), *pausing) == {Rule.RUN}


def test_each_run_lasts_as_long_as_the_owner_asks() -> None:
    patient = offer(1, cards=4, minimum_duration=2)
    assert broken(work(patient, amount=2), on(1, 0, 2, 2), on(1, 2, 2, 1)) == set()
    assert broken(work(patient, amount=2), on(1, 0, 2, 2), on(1, 2, 1, 1)) == {
        Rule.MINIMUM_DURATION,
        Rule.FILL,
    }


def test_a_part_of_the_work_will_do_if_the_buyer_says_so() -> None:
    half = work(least=500_000)
    assert broken(half, on(1, 0, 2, 1)) == set()
    assert broken(half, on(1, 0, 1, 1)) == {Rule.FILL}
    result = record(half, on(1, 0, 2, 1))
    assert result.explanations[0].outcome is Outcome.PARTLY
    assert result.surplus == money(2 * (50 - 10))


def test_work_is_worth_whole_micro_units_only_in_all() -> None:
    """0.8 nP for three hours at a micro-unit each: 2.4 in all, and nothing if rounded each hour."""
    terms: dict[str, Any] = {
        "unit": Unit.NP,
        "amount": 800_000,
        "limit": 1 / MICRO,
        "models": ("ascend-910b",),
    }
    spread = work(offer(ask=0), **terms)
    at_once = market([offer(ask=0)], [request(duration=3, **terms)])
    for snapshot, surplus in ((spread, 2), (at_once, 0)):
        result = record(snapshot, on(1, 0, 3, 1))
        assert result.surplus == surplus
        verify(snapshot, result)


@pytest.mark.parametrize(
    ("lot", "placement", "wasteful"),
    [
        (1, on(1, 0, 2, 2), False),  # four for three, but a lot or an hour less would be two
        (2, on(1, 0, 2, 2), False),
        (2, on(1, 0, 3, 2), True),  # the last hour
        (1, on(1, 0, 2, 3), True),  # a lot, or an hour
        (4, on(1, 0, 1, 4), False),
    ],
)
def test_nobody_is_sold_a_lot_or_an_hour_that_the_work_does_not_need(
    lot: int, placement: Placement, wasteful: bool
) -> None:
    assert broken(work(offer(1, cards=4, lot=lot)), placement) == ({Rule.FILL} if wasteful else set())


def test_an_hour_that_the_owner_asks_for_is_not_for_nothing() -> None:
    assert broken(work(offer(1, cards=4, lot=2, minimum_duration=3)), on(1, 0, 3, 2)) == set()


def bridged(hours: int) -> Snapshot:
    """So many card-hours; offer 1 is sold in threes, offer 2 card by card."""
    return work(offer(1, cards=3, lot=3), offer(2, cards=4), amount=hours, duration=1)


def test_an_idle_lot_may_bridge_a_pause_but_not_two_of_them() -> None:
    """Three cards in the first and in the third hour, and offer 2 keeps the work going between."""
    ends = [on(1, 0, 1, 3), on(1, 2, 1, 3)]
    assert broken(bridged(6), *ends, on(2, 1, 1, 1)) == set()
    assert broken(bridged(7), *ends, on(2, 1, 1, 1)) == set()
    assert broken(bridged(7), *ends, on(2, 1, 1, 2)) == {Rule.FILL}


def test_a_lot_beside_others_bridges_nothing() -> None:
    assert broken(bridged(9), on(1, 0, 3, 3)) == set()
    assert broken(bridged(9), on(1, 0, 3, 3), on(2, 1, 1, 1)) == {Rule.FILL}
