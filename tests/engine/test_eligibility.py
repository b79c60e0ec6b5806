"""Each constraint removes the offers that fail it, is charged in order, and no unknown fact passes."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace.engine import (
    Constraint,
    Funnel,
    LatencyLimit,
    Offer,
    Precision,
    RoundTrip,
    Site,
    Snapshot,
    Unit,
    Workload,
    clear,
)
from tests.engine.markets import alternative, market, offer, request, site


def funnel(snapshot: Snapshot) -> Funnel:
    return clear(snapshot).explanations[0].funnels[0]


def removed(
    asked: dict[str, Any], *, facts: Site | None = None, terms: Offer | None = None
) -> Constraint | None:
    """The constraint that removes the one offer of a market, if any does."""
    snapshot = market([terms or offer()], [request(**asked)], sites=[facts or site()])
    result = clear(snapshot)
    counts = result.explanations[0].funnels[0].removed
    assert bool(result.placements) is not bool(counts)
    return counts[0][0] if counts else None


@pytest.mark.parametrize(
    ("constraint", "passing", "failing"),
    [
        (Constraint.MODEL, {"models": ("ascend-910b", "h800")}, {"models": ("h800",)}),
        (
            Constraint.RATE,
            {"unit": Unit.NP, "amount": 800_000},
            {"unit": Unit.NP, "amount": 800_000, "workload": Workload.VISION},
        ),
        (Constraint.PRECISION, {"precision": Precision.BF16}, {"precision": Precision.FP8}),
        (Constraint.MEMORY, {"memory": 65_536}, {"memory": 65_537}),
        (Constraint.STACK, {"stacks": ("cann-8", "cuda-12")}, {"stacks": ("cuda-12",)}),
        (Constraint.JURISDICTION, {"jurisdictions": ("cn",)}, {"jurisdictions": ("sg",)}),
        (
            Constraint.LATENCY,
            {"latency": LatencyLimit("beijing", 5_000)},
            {"latency": LatencyLimit("beijing", 4_999)},
        ),
        (Constraint.BANDWIDTH, {"bandwidth": 10_000}, {"bandwidth": 10_001}),
        (Constraint.RENEWABLE_SHARE, {"renewable_share": 500_000}, {"renewable_share": 500_001}),
        (Constraint.CARBON, {"carbon": 400_000}, {"carbon": 399_999}),
        (Constraint.VERIFICATION, {"verification": 2}, {"verification": 3}),
        (Constraint.NOTICE, {"notice": 24}, {"notice": 25}),
        (Constraint.WINDOW, {"earliest": 20, "deadline": 24}, {"earliest": 21, "deadline": 24}),
        (Constraint.CAPACITY, {"amount": 8}, {"amount": 9}),
        (Constraint.LIMIT, {"limit": 10}, {"limit": 9.999999}),
    ],
)
def test_a_constraint_removes_what_fails_it_and_nothing_else(
    constraint: Constraint, passing: dict[str, Any], failing: dict[str, Any]
) -> None:
    assert removed({"limit": 20, **passing}) is None
    assert removed({"limit": 20, **failing}) is constraint


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ({"bandwidth": 0}, {"bandwidth": None}),
        ({"renewable_share": 0}, {"renewable_share": None}),
        ({"carbon": 10**12}, {"carbon": None}),
        ({"latency": LatencyLimit("beijing", 10**12)}, {"round_trips": ()}),
        ({"latency": LatencyLimit("beijing", 10**12)}, {"round_trips": (RoundTrip("shanghai", 1),)}),
    ],
)
def test_an_unknown_fact_satisfies_no_bound_however_loose(
    asked: dict[str, Any], fact: dict[str, Any]
) -> None:
    assert removed(asked, facts=site(**fact)) is Constraint(next(iter(asked)))
    assert removed({}, facts=site(**fact)) is None


def test_a_request_for_cards_needs_no_rate() -> None:
    assert removed({"workload": Workload.VISION}) is None


@pytest.mark.parametrize(("first_slot", "hours", "constraint"), [(0, 4, None), (3, 4, Constraint.WINDOW)])
def test_the_run_lies_in_the_window_of_offer_and_request(
    first_slot: int, hours: int, constraint: Constraint | None
) -> None:
    terms = offer(first_slot=first_slot, hours=hours)
    assert removed({"earliest": 0, "deadline": 6, "duration": 4}, terms=terms) is constraint


@pytest.mark.parametrize(("minimum", "constraint"), [(4, None), (5, Constraint.WINDOW)])
def test_a_run_shorter_than_the_owners_minimum_has_no_window(
    minimum: int, constraint: Constraint | None
) -> None:
    assert removed({"duration": 4}, terms=offer(minimum_duration=minimum)) is constraint


def test_a_request_longer_than_its_own_window_is_a_no_and_not_an_error() -> None:
    assert removed({"earliest": 0, "deadline": 3, "duration": 4}) is Constraint.WINDOW


def test_capacity_counts_whole_lots_in_every_hour_of_a_run() -> None:
    holes = (8, 8, 8, 7) * 6
    assert removed({"duration": 3}, terms=offer(free=holes)) is None
    assert removed({"duration": 4}, terms=offer(free=holes)) is Constraint.CAPACITY
    assert removed({"amount": 8}, terms=offer(cards=11, lot=6)) is Constraint.CAPACITY


def test_a_split_needs_only_one_lot_of_each_offer() -> None:
    snapshot = market([offer(1, cards=2), offer(2, cards=2, lot=4), offer(3, cards=6)], [request(gangs=0)])
    assert funnel(snapshot).removed == ((Constraint.CAPACITY, 1),)


def test_constraints_are_charged_in_order_with_the_survivors_of_those_before() -> None:
    """Six offers, each failing one thing more; every one is charged to the first that it fails."""
    sites = [site(1), site(2, jurisdiction="sg", carbon=900_000)]
    offers = [
        offer(1),
        offer(2, model="h800", site=2),
        offer(3, stack="cuda-12", site=2),
        offer(4, site=2),
        offer(5, cards=2, ask=90),
        offer(6, ask=90),
    ]
    asked = request(models=("ascend-910b",), stacks=("cann-8",), jurisdictions=("cn",), carbon=500_000)
    assert funnel(market(offers, [asked], sites=sites)) == Funnel(
        alternative=0,
        offers=6,
        removed=(
            (Constraint.MODEL, 1),
            (Constraint.STACK, 1),
            (Constraint.JURISDICTION, 1),
            (Constraint.CAPACITY, 1),
            (Constraint.LIMIT, 1),
        ),
    )


def test_the_funnel_shows_the_market_before_the_run() -> None:
    """The second request finds the offer sold, yet the offer would have suited it."""
    result = clear(market([offer(hours=4)], [request(1, limit=30), request(2, limit=20)]))
    assert [each.funnels[0].removed for each in result.explanations] == [(), ()]
    assert result.explanations[1].binding is Constraint.CAPACITY


def test_every_alternative_has_its_own_funnel() -> None:
    asked = request(1, alternative(3, models=("h800",)), alternative(5, limit=1))
    funnels = clear(market(requests=[asked])).explanations[0].funnels
    assert [(each.alternative, each.removed) for each in funnels] == [
        (3, ((Constraint.MODEL, 1),)),
        (5, ((Constraint.LIMIT, 1),)),
    ]
