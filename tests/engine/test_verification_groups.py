"""Budgets, choices, caps and the carbon price, in results made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace.engine import (
    MICRO,
    Budget,
    Choice,
    OwnerCap,
    Placement,
    Result,
    ResultRefused,
    Rule,
    Snapshot,
    verify,
)
from tests.engine.markets import ASCEND, HOPPER, market, money, offer, request, site
from tests.engine.records import record

BOTH = (Placement(1, 0, 1, 0, 1, 2), Placement(2, 0, 2, 1, 1, 3))
"""Two card-hours of owner 1 in the first hour, three of owner 2 in the second."""


def pair(**changes: Any) -> Snapshot:
    """A buyer's two requests, for two cards at 10 yuan and three at 1 dollar (7.2 yuan)."""
    offers = [offer(1, ask=10), offer(2, ask=1, site=2)]
    requests = [
        replace(request(identity, gangs=0, duration=1, amount=identity + 1), buyer=5) for identity in (1, 2)
    ]
    sites = [site(1, owner=1), site(2, owner=2, currency="USD")]
    return market(offers, requests, **{"sites": sites, **changes})


def refused(snapshot: Snapshot, result: Result) -> frozenset[Rule]:
    """The rules that a result breaks, none if it is verified."""
    try:
        verify(snapshot, result)
    except ResultRefused as error:
        return error.rules
    return frozenset()


def broken(snapshot: Snapshot) -> frozenset[Rule]:
    return refused(snapshot, record(snapshot, *BOTH))


@pytest.mark.parametrize(
    ("requests", "currency", "amount", "kept"),
    [
        ((1, 2), "CNY", money(20 + 3 * 7.2), True),
        ((1, 2), "CNY", money(20 + 3 * 7.2) - 1, False),
        ((1,), "CNY", money(20), True),
        ((1,), "CNY", money(20) - 1, False),
        ((2,), "USD", money(3), True),
        ((2,), "USD", money(3) - 1, False),
        ((1,), "USD", 2_777_778, True),  # 20 / 7.2 dollars, rounded up
        ((1,), "USD", 2_777_777, False),
    ],
)
def test_a_budget_covers_what_its_requests_pay(
    requests: tuple[int, ...], currency: str, amount: int, kept: bool
) -> None:
    snapshot = pair(budgets=(Budget(1, requests, currency, amount),))
    assert broken(snapshot) == (set() if kept else {Rule.BUDGET})


def test_a_budget_is_about_the_prices_that_are_paid() -> None:
    """At the asks it is kept; at a price that both could bear it is not."""
    snapshot = pair(budgets=(Budget(1, (1, 2), "CNY", money(42)),))
    result = record(snapshot, *BOTH)
    verify(snapshot, result)
    dearer = replace(result, prices=(replace(result.prices[0], price=money(11)), *result.prices[1:]))
    assert refused(snapshot, dearer) == {Rule.BUDGET}


@pytest.mark.parametrize(
    ("requests", "most", "kept"),
    [((1, 2), 2, True), ((1, 2), 1, False), ((1,), 1, True), ((1,), 0, False)],
)
def test_a_choice_allows_so_many_of_its_requests(requests: tuple[int, ...], most: int, kept: bool) -> None:
    assert broken(pair(choices=(Choice(1, requests, most),))) == (set() if kept else {Rule.CHOICE})


@pytest.mark.parametrize(
    ("buyer", "owner", "card_hours", "kept"),
    [(5, 1, 2, True), (5, 1, 1, False), (5, 2, 3, True), (5, 2, 2, False), (6, 1, 0, True), (5, 3, 0, True)],
)
def test_an_owner_cap_counts_what_one_buyer_takes_of_one_owner(
    buyer: int, owner: int, card_hours: int, kept: bool
) -> None:
    snapshot = pair(owner_caps=(OwnerCap(buyer, owner, card_hours),))
    assert broken(snapshot) == (set() if kept else {Rule.OWNER_CAP})


@pytest.mark.parametrize(("cap", "kept"), [(5 * 310, True), (5 * 310 - 1, False), (0, False)])
def test_a_power_cap_holds_in_each_slot_over_all_offers_of_the_site(cap: int, kept: bool) -> None:
    """A card draws 310 W: two of one offer and three of another in the second hour."""
    snapshot = replace(
        pair(sites=[site(1, power_cap=(0, cap) + (0,) * 22)]), offers=(offer(1, ask=10), offer(2, ask=1))
    )
    result = record(snapshot, Placement(1, 0, 1, 1, 1, 2), Placement(2, 0, 2, 1, 1, 3))
    assert refused(snapshot, result) == (set() if kept else {Rule.POWER})


def objective(**changes: Any) -> tuple[int, int]:
    """Surplus and objective of two cards for an hour, 10 each of 20: the surplus is 20."""
    snapshot = market(requests=[request(gangs=0, duration=1, amount=2)], **changes)
    result = record(snapshot, Placement(1, 0, 1, 0, 1, 2))
    verify(snapshot, result)
    return result.surplus, result.objective


def test_emissions_count_at_the_carbon_price() -> None:
    """310 W for an hour at 400 g/kWh are 124 g a card; at 50 a kilogram that is 6.2."""
    assert objective(carbon_price=money(50)) == (money(20), money(20 - 2 * 6.2))


def test_emissions_are_rounded_up_to_a_whole_pico_a_card_hour() -> None:
    """1 W at 1 mg/kWh and 1 micro-unit a kilogram is a thousandth of a pico: it counts as one.

    The objective is rounded down once, so two of them are a whole micro-unit less.
    """
    one = {"models": (replace(ASCEND, power=1),), "sites": [site(carbon=1)]}
    assert objective(carbon_price=1, **one) == (money(20), money(20) - 1)
    assert objective(carbon_price=0, **one) == (money(20), money(20))


def test_what_nobody_has_stated_counts_as_the_highest_that_is_known() -> None:
    """700 W as the other model; 800 g/kWh as the other site: 560 g a card, 28 at 50 a kilogram."""
    unknown = {
        "models": (replace(ASCEND, power=None), HOPPER),
        "sites": [site(1, carbon=None), site(2, carbon=800_000)],
    }
    assert objective(carbon_price=money(50), **unknown) == (money(20), money(20 - 2 * 28))


def test_nobody_pays_for_emissions() -> None:
    """At the limit the whole surplus goes to the owner, and the objective is below nought."""
    snapshot = market(requests=[request(gangs=0, duration=1, amount=2)], carbon_price=money(1_000))
    result = record(snapshot, Placement(1, 0, 1, 0, 1, 2))
    dear = replace(result, prices=(replace(result.prices[0], price=money(20)),))
    verify(snapshot, dear)
    assert result.objective == money(20 - 2 * 124)
    assert result.objective % MICRO == 0
