"""Worked examples: every figure here was computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace.engine import (
    Outcome,
    Placement,
    Price,
    Request,
    Result,
    Snapshot,
    Unit,
    clear,
    verify,
)
from tests.engine.markets import alternative, market, money, offer, request, site


def prices(result: Result) -> set[int]:
    return {row.price for row in result.prices}


def test_one_buyer_pays_the_ask_not_its_limit() -> None:
    snapshot = market([offer(ask=10)], [request(amount=8, limit=20, duration=4)])
    result = clear(snapshot)
    assert result.placements == (Placement(1, 0, 1, first_slot=0, slots=4, cards=8),)
    assert result.prices == tuple(
        Price("ascend-910b", "cn-north", slot, "CNY", money(10)) for slot in range(4)
    )
    assert result.surplus == money((20 - 10) * 8 * 4)
    verify(snapshot, result)


def hourly(result: Result, slot: int = 0) -> dict[tuple[str, str], int]:
    """The prices of a slot by model and zone."""
    return {(row.model, row.zone): row.price for row in result.prices if row.slot == slot}


def served(result: Result) -> list[tuple[int, int]]:
    return [(each.request, each.offer) for each in result.placements]


def test_everybody_pays_one_price_from_the_dearest_ask_needed_up_to_the_lowest_limit() -> None:
    """Two owners ask 10 and 12 and both are needed; the second buyer bears up to 15."""
    snapshot = market(
        [offer(1, cards=8, ask=10, hours=4), offer(2, cards=8, ask=12, hours=4)],
        [request(1, limit=20), request(2, limit=15)],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert {each.request for each in result.placements} == {1, 2}
    assert [row.slot for row in result.prices] == [0, 1, 2, 3]
    assert all(money(12) <= price <= money(15) for price in prices(result))
    assert result.surplus == money((20 * 32 - 10 * 32) + (15 * 32 - 12 * 32))


def _two_buyers(*, first: float) -> Snapshot:
    """Cards at 10 and at 12 in the same hours, with different stacks, and a buyer for each. The first
    pays per nP, of which eight cards do 6.4; the second pays up to 12.5 a card, a gain of 16 in all."""
    return market(
        [offer(1, ask=10, hours=4), offer(2, ask=12, hours=4, stack="cuda-12")],
        [
            request(1, unit=Unit.NP, amount=6_400_000, limit=first, stacks=("cann-8",)),
            request(2, limit=12.5, stacks=("cuda-12",)),
        ],
    )


def test_a_price_rise_that_another_buyer_can_bear_is_accepted() -> None:
    """15 per nP-hour is exactly 12 per card-hour."""
    snapshot = _two_buyers(first=15)
    result = clear(snapshot)
    verify(snapshot, result)
    assert served(result) == [(1, 1), (2, 2)]
    assert prices(result) == {money(12)}
    assert result.surplus == money(2 * 32 + 0.5 * 32)


def test_a_price_rise_that_would_push_another_buyer_over_its_limit_is_refused() -> None:
    """14 per nP-hour is 11.2 per card-hour, a gain of 38.4 in all: the cards at 12 can be sold to
    nobody beside it."""
    snapshot = _two_buyers(first=14)
    result = clear(snapshot)
    verify(snapshot, result)
    assert served(result) == [(1, 1)]
    assert all(money(10) <= price <= money(11.2) for price in prices(result))
    assert (result.surplus, result.repriced) == (money(1.2 * 32), 1)


def test_of_two_who_want_the_same_cards_the_one_with_the_larger_surplus_has_them() -> None:
    """Without stacks the second may have the cards at 10: a gain of 80, and 38.4 for the first, which
    can bear no price of 12. The limit of the first is the denser one."""
    snapshot = _two_buyers(first=14)
    anywhere = [
        replace(each, alternatives=(replace(each.alternatives[0], stacks=()),)) for each in snapshot.requests
    ]
    result = clear(replace(snapshot, requests=tuple(anywhere)))
    assert served(result) == [(2, 1)]
    assert result.surplus == money(2.5 * 32)


def test_a_buyer_moves_just_as_far_as_another_can_bear() -> None:
    """As before, but the cards at 12 are there for longer. The first buyer bears 1.2 times four
    hours, which is a rise of 2 in two of its hours and not in three."""
    snapshot = _two_buyers(first=14)
    dear = replace(snapshot.offers[1], asks=(money(12),) * 4 + (money(12.2),) * 4, free=(8,) * 8)
    snapshot = replace(snapshot, offers=(snapshot.offers[0], dear))
    result = clear(snapshot)
    verify(snapshot, result)
    assert [(each.request, each.offer, each.first_slot) for each in result.placements] == [
        (1, 1, 0),
        (2, 2, 2),
    ]
    assert result.surplus == money(1.2 * 32 + (50 - 48.4) * 8)


def _holder_of_two_products(*others: Request, dearer: float) -> Snapshot:
    """The first buyer has one card of each of two models at 10, for up to 11 each: it gains 2 and can
    bear 2 more in all. The other buyers gain less, and their stack is only on cards at ``dearer``."""
    first = request(1, amount=2, gangs=0, duration=1, limit=11, stacks=("cann-8",))
    terms: dict[str, Any] = {"cards": 1, "hours": 1}
    return market(
        [
            offer(1, ask=10, model="h800", **terms),
            offer(2, ask=10, **terms),
            offer(3, ask=dearer, model="h800", stack="cuda-12", **terms),
            offer(4, ask=dearer, stack="cuda-12", **terms),
        ],
        [first, *others],
    )


@pytest.mark.parametrize("gang", [True, False])
def test_a_buyer_of_two_products_bears_a_rise_in_one_of_them(gang: bool) -> None:
    """The second buyer's 12 uses up what the first can bear; the third may not raise the other."""
    later: dict[str, Any] = {"amount": 1, "duration": 1, "stacks": ("cuda-12",), "gangs": int(gang)}
    snapshot = _holder_of_two_products(
        request(2, models=("h800",), limit=12.5, **later),
        request(3, models=("ascend-910b",), limit=12.25, **later),
        dearer=12,
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert served(result) == [(1, 1), (1, 2), (2, 3)]
    assert hourly(result) == {("h800", "cn-north"): money(12), ("ascend-910b", "cn-north"): money(10)}
    assert result.surplus == money(2 + 0.5)


@pytest.mark.parametrize(("dearer", "sold"), [(11, True), (11.5, False)])
def test_a_buyer_of_two_products_bears_rises_in_both_at_once(dearer: float, sold: bool) -> None:
    """One more in each product is two in all; one and a half in each is three."""
    second = request(2, amount=2, duration=1, gangs=0, limit=dearer + 0.25, stacks=("cuda-12",))
    snapshot = _holder_of_two_products(second, dearer=dearer)
    result = clear(snapshot)
    verify(snapshot, result)
    assert {each.request for each in result.placements} == ({1, 2} if sold else {1})
    assert result.surplus == money(2.5 if sold else 2)


def test_a_buyer_starts_when_it_is_cheapest() -> None:
    asks = (money(12),) * 10 + (money(8),) * 4 + (money(12),) * 10
    result = clear(market([offer(asks=asks)], [request(duration=4)]))
    assert result.placements[0].first_slot == 10
    assert prices(result) == {money(8)}


def test_equally_cheap_starts_go_to_the_earliest() -> None:
    assert clear(market()).placements[0].first_slot == 0


def test_prices_differ_by_slot_where_asks_do() -> None:
    asks = tuple(money(5 + slot) for slot in range(24))
    result = clear(market([offer(asks=asks)], [request(duration=4, limit=7)]))
    assert [row.price for row in result.prices] == [money(5), money(6), money(7), money(8)]
    assert result.surplus == money(8 * (4 * 7 - 5 - 6 - 7 - 8))


def test_a_run_is_judged_by_its_total_not_by_its_dearest_hour() -> None:
    """5 + 6 + 7 + 8 is 26: within four hours at 6.5, and over four hours at 6.49."""
    asks = tuple(money(5 + slot) for slot in range(24))
    assert clear(market([offer(asks=asks)], [request(limit=6.5)])).placements
    assert not clear(market([offer(asks=asks)], [request(limit=6.49)])).placements


@pytest.mark.parametrize(("zone", "buyers"), [("cn-east", {1, 2}), ("cn-north", {2})])
def test_the_same_model_in_another_zone_is_another_product(zone: str, buyers: set[int]) -> None:
    """The first buyer bears 11: not a price of 12 in its own zone, but any in another one."""
    snapshot = market(
        [offer(1, ask=10, hours=4), offer(2, ask=12, hours=4, site=2, stack="cuda-12")],
        [request(1, limit=11, stacks=("cann-8",)), request(2, limit=20, stacks=("cuda-12",))],
        sites=[site(1), site(2, zone=zone)],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert {each.request for each in result.placements} == buyers
    found = hourly(result)
    assert money(12) <= found.pop(("ascend-910b", zone)) <= money(20)
    assert all(money(10) <= price <= money(11) for price in found.values())
    assert len(found) == len(buyers) - 1


def _cheap_cards_beside_dear_ones(*, hours: int, limit: float) -> Snapshot:
    """The first buyer needs the eight cards at 12; the second wants four, which are there at 10."""
    return market(
        [offer(1, cards=8, ask=12, hours=4), offer(2, cards=4, ask=10, hours=hours)],
        [request(1, amount=8, limit=30), request(2, amount=4, limit=limit)],
    )


def test_a_buyer_in_a_dearer_hour_pays_its_price_even_for_cheaper_cards() -> None:
    snapshot = _cheap_cards_beside_dear_ones(hours=4, limit=25)
    result = clear(snapshot)
    verify(snapshot, result)
    assert served(result) == [(1, 1), (2, 2)]
    assert all(money(12) <= price <= money(25) for price in prices(result))


def test_a_buyer_who_cannot_bear_the_price_of_others_moves_to_hours_of_its_own() -> None:
    """At 11 it cannot pay 12 beside the first buyer, but it can be alone four hours later."""
    snapshot = _cheap_cards_beside_dear_ones(hours=8, limit=11)
    result = clear(snapshot)
    verify(snapshot, result)
    assert {(each.request, each.offer, each.first_slot) for each in result.placements} == {
        (1, 1, 0),
        (2, 2, 4),
    }
    assert all(money(10) <= row.price <= money(11) for row in result.prices if row.slot >= 4)


def test_the_denser_limit_goes_first() -> None:
    snapshot = market([offer(hours=4)], [request(1, limit=15), request(2, limit=16)])
    assert [each.request for each in clear(snapshot).placements] == [2]


def test_density_compares_cards_with_normalised_work() -> None:
    """16 for a card that does 0.8 nP is 20 per nP-hour, and loses to 20.5 per nP-hour."""
    work = request(2, limit=20.5, unit=Unit.NP, amount=6_400_000)
    snapshot = market([offer(hours=4)], [request(1, limit=16), work])
    assert [each.request for each in clear(snapshot).placements] == [2]


def test_among_equals_the_earlier_entry_goes_first() -> None:
    snapshot = market([offer(hours=4)], [request(2), request(1)])
    assert [each.request for each in clear(snapshot).placements] == [1]


def test_of_two_alternatives_the_one_with_the_larger_gain_is_taken() -> None:
    """Sixteen cards at 6 cost 96 an hour of 144; eight at 10 cost 80 of 160: the gain is 48 or 80."""
    asked = request(
        1,
        alternative(0, amount=16, limit=9, models=("ascend-910b",)),
        alternative(1, amount=8, limit=20, models=("h800",)),
    )
    snapshot = market([offer(1, cards=16, ask=6), offer(2, ask=10, model="h800")], [asked])
    result = clear(snapshot)
    assert [(each.alternative, each.offer) for each in result.placements] == [(1, 2)]


def test_worth_the_same_the_cheaper_alternative_is_taken() -> None:
    asked = request(
        1,
        alternative(0, amount=8, limit=10, models=("h800",)),
        alternative(1, amount=16, limit=5, models=("ascend-910b",)),
    )
    snapshot = market([offer(1, cards=16, ask=4), offer(2, ask=9, model="h800")], [asked])
    assert {each.alternative for each in clear(snapshot).placements} == {1}


def test_free_cards_cost_nothing() -> None:
    snapshot = market([offer(ask=0)], [request(limit=0)])
    result = clear(snapshot)
    assert prices(result) == {0}
    assert result.explanations[0].outcome is Outcome.MATCHED
    verify(snapshot, result)


def test_an_empty_market_clears() -> None:
    for snapshot in (market([], []), market([offer()], []), market([], [request()])):
        result = clear(snapshot)
        assert result.placements == ()
        assert result.surplus == 0
        verify(snapshot, result)
