"""Worked examples: every figure here was computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace.engine import (
    MICRO,
    Outcome,
    Placement,
    Price,
    Rate,
    Request,
    Result,
    Snapshot,
    Unit,
    Workload,
    clear,
    verify,
)
from tests.engine.markets import ASCEND, HOPPER, alternative, market, money, offer, request, site


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


def test_everybody_pays_the_dearest_ask_that_was_needed() -> None:
    """Two owners ask 10 and 12; the second buyer needs the dearer cards, so both pay 12."""
    snapshot = market(
        [offer(1, cards=8, ask=10, hours=4), offer(2, cards=8, ask=12, hours=4)],
        [request(1, limit=20), request(2, limit=15)],
    )
    result = clear(snapshot)
    assert [(each.request, each.offer) for each in result.placements] == [(1, 1), (2, 2)]
    assert prices(result) == {money(12)}
    assert result.surplus == money((20 * 32 - 10 * 32) + (15 * 32 - 12 * 32))


def _two_buyers(*, first: float) -> Snapshot:
    """Cards at 10 and at 12 in the same hours. The first buyer pays per nP, of which eight cards do
    6.4; the second pays up to 12.5 a card for work that no rate is known for, so it comes second."""
    return market(
        [offer(1, cards=8, ask=10, hours=4), offer(2, cards=8, ask=12, hours=4)],
        [
            request(1, unit=Unit.NP, amount=6_400_000, limit=first),
            request(2, amount=8, limit=12.5, workload=Workload.VISION),
        ],
    )


def test_a_price_rise_that_an_earlier_buyer_can_bear_is_accepted() -> None:
    """15 per nP-hour is exactly 12 per card-hour."""
    result = clear(_two_buyers(first=15))
    assert [(each.request, each.offer) for each in result.placements] == [(1, 1), (2, 2)]
    assert prices(result) == {money(12)}


def test_a_price_rise_that_would_push_an_earlier_buyer_over_its_limit_is_refused() -> None:
    """14 per nP-hour is 11.2 per card-hour: the cards at 12 can be sold to nobody beside it."""
    result = clear(_two_buyers(first=14))
    assert [(each.request, each.offer) for each in result.placements] == [(1, 1)]
    assert prices(result) == {money(10)}


def test_a_later_buyer_moves_just_as_far_as_the_first_can_bear() -> None:
    """As before, but the cards at 12 are there for longer. The first buyer bears 1.2 times four
    hours, which is a rise of 2 in two of its hours and not in three."""
    snapshot = _two_buyers(first=14)
    dear = offer(2, asks=(money(12),) * 4 + (money(12.2),) * 4, free=(8,) * 8)
    result = clear(replace(snapshot, offers=(snapshot.offers[0], dear)))
    assert [(each.request, each.offer, each.first_slot) for each in result.placements] == [
        (1, 1, 0),
        (2, 2, 2),
    ]


def _holder_of_two_products(*others: Request, dearer: float) -> Snapshot:
    """The first buyer has one card of each of two models at 10, for up to 11 each: it can bear two
    more in all. Its rates are known and low, so it comes first. The other cards cost ``dearer``."""
    slow = (Rate(Workload.TRAINING, 100_000, 100_000),)
    first = request(1, amount=2, gangs=0, duration=1, limit=11)
    terms: dict[str, Any] = {"cards": 1, "hours": 1}
    return market(
        [
            offer(1, ask=10, model="h800", **terms),
            offer(2, ask=10, **terms),
            offer(3, ask=dearer, model="h800", **terms),
            offer(4, ask=dearer, **terms),
        ],
        [first, *others],
        models=(replace(ASCEND, rates=slow), replace(HOPPER, rates=slow)),
    )


@pytest.mark.parametrize("gang", [True, False])
def test_a_buyer_of_two_products_bears_rises_in_one_after_the_other(gang: bool) -> None:
    """The second buyer's 12 uses up what the first can bear; the third may not raise the other."""
    later: dict[str, Any] = {"amount": 1, "duration": 1, "workload": Workload.VISION, "gangs": int(gang)}
    snapshot = _holder_of_two_products(
        request(2, models=("h800",), limit=15, **later),
        request(3, models=("ascend-910b",), limit=14, **later),
        dearer=12,
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert [(each.request, each.offer) for each in result.placements] == [(1, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(("dearer", "sold"), [(11, True), (11.5, False)])
def test_a_buyer_of_two_products_bears_rises_in_both_at_once(dearer: float, sold: bool) -> None:
    """One more in each product is two in all; one and a half in each is three."""
    second = request(2, amount=2, duration=1, workload=Workload.VISION, gangs=0, limit=dearer, least=MICRO)
    snapshot = _holder_of_two_products(second, dearer=dearer)
    result = clear(snapshot)
    verify(snapshot, result)
    assert (2 in {each.request for each in result.placements}) is sold


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


def test_the_same_model_in_another_zone_is_another_product() -> None:
    snapshot = market(
        [offer(1, ask=10, hours=4), offer(2, ask=12, hours=4, site=2)],
        [request(1, limit=20), request(2, limit=20)],
        sites=[site(1), site(2, zone="cn-east")],
    )
    result = clear(snapshot)
    assert {(row.zone, row.price) for row in result.prices} == {
        ("cn-north", money(10)),
        ("cn-east", money(12)),
    }


def test_a_buyer_in_an_old_price_pays_that_price_even_for_cheaper_cards() -> None:
    """A price of 12 stands in the hours that the first buyer holds; cards at 10 cost 12 there,
    so the next buyer moves to hours in which they cost 10."""
    snapshot = market(
        [offer(1, cards=8, ask=12, hours=4), offer(2, cards=4, ask=10, hours=8)],
        [request(1, amount=8, limit=30), request(2, amount=4, limit=25)],
    )
    result = clear(snapshot)
    assert {(each.request, each.offer, each.first_slot) for each in result.placements} == {
        (1, 1, 0),
        (2, 2, 4),
    }


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
