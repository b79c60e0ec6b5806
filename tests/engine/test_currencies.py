"""Offers and limits in different currencies: exact, and never to the buyer's cost."""

from __future__ import annotations

import pytest

from marketplace.engine import MICRO, Currency, clear, result_bytes, snapshot_bytes, verify
from tests.engine.markets import DOLLAR, YUAN, market, money, offer, request, site


def test_a_limit_in_dollars_buys_cards_in_yuan() -> None:
    """At 7.2, two dollars are 14.40: enough for an ask of 14.40, but not for a micro-yuan more."""
    exact = market([offer(ask=14.4)], [request(limit=2, currency="USD")])
    dearer = market([offer(asks=(money(14.4) + 1,) * 24)], [request(limit=2, currency="USD")])
    assert clear(exact).placements
    assert not clear(dearer).placements


def test_the_agreement_stays_in_the_currency_of_the_offer() -> None:
    result = clear(market([offer(ask=2)], [request(limit=30)], sites=[site(currency="USD")]))
    assert {(row.currency, row.price) for row in result.prices} == {("USD", money(2))}


def test_surplus_is_in_the_base_currency() -> None:
    """Limit 30 yuan, ask 2 dollars at 7.2: 15.60 a card-hour, for 32 card-hours."""
    result = clear(market([offer(ask=2)], [request(limit=30)], sites=[site(currency="USD")]))
    assert result.surplus == money((30 - 14.4) * 32)


def test_surplus_is_rounded_down_once() -> None:
    """Three card-hours at 1 micro of a currency worth a third: 999,999 pico less than a micro."""
    snapshot = market(
        [offer(asks=(1,) * 24)],
        [request(limit=0.000001, amount=3, duration=1)],
        sites=[site(currency="THIRD")],
        currencies=(YUAN, Currency("THIRD", 333_333)),
    )
    result = clear(snapshot)
    assert result.surplus == (3 * MICRO - 3 * 333_333) // MICRO == 2
    verify(snapshot, result)


def test_offers_of_several_currencies_compete_at_what_they_cost() -> None:
    """Two dollars are 14.40: dearer than 14, cheaper than 15."""
    sites = [site(1), site(2, currency="USD", zone="us")]
    for ask, chosen in ((14, 1), (15, 2)):
        snapshot = market([offer(1, ask=ask), offer(2, ask=2, site=2)], [request()], sites=sites)
        assert {each.offer for each in clear(snapshot).placements} == {chosen}


def test_one_zone_with_two_currencies_has_two_prices() -> None:
    snapshot = market(
        [offer(1, cards=4, ask=10), offer(2, cards=4, ask=2, site=2)],
        [request(gangs=0, limit=15)],
        sites=[site(1), site(2, currency="USD")],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert {(row.currency, row.price) for row in result.prices} == {
        ("CNY", money(10)),
        ("USD", money(2)),
    }


@pytest.mark.parametrize(("limit", "matched"), [(10.8, True), (10.799999, False)])
def test_every_part_of_a_split_is_within_the_limit_at_its_own_exchange_rate(
    limit: float, matched: bool
) -> None:
    """1.50 dollars are 10.80 yuan. That the mean of 10 and 10.80 is less does not help."""
    snapshot = market(
        [offer(1, cards=4, ask=10), offer(2, cards=4, ask=1.5, site=2)],
        [request(gangs=0, limit=limit)],
        sites=[site(1), site(2, currency="USD", zone="us")],
    )
    assert bool(clear(snapshot).placements) is matched


def test_figures_at_the_bounds_do_not_overflow() -> None:
    huge = Currency("HUGE", 10**12)
    snapshot = market(
        [
            offer(1, free=(10**6,) * 24, asks=(10**6,) * 24),
            offer(2, free=(10**6,) * 24, asks=(10**6 - 1,) * 24),
        ],
        [
            request(1, amount=10**6, limit=1, duration=24, currency="HUGE"),
            request(2, amount=10**6, limit=1, duration=24, currency="HUGE", gangs=0),
        ],
        sites=[site(currency="HUGE")],
        currencies=(YUAN, DOLLAR, huge),
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert len({each.request for each in result.placements}) == 2
    assert result.surplus == 10**6 * 24 * 10**6


def test_large_yuan_figures_do_not_overflow() -> None:
    snapshot = market(
        [offer(n, free=(10**6,) * 24, asks=(10**12 - n,) * 24) for n in (1, 2, 3)],
        [request(n, amount=10**6, limit=10**6, duration=24, gangs=int(n == 1)) for n in (1, 2, 3)],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert len(result.placements) == 3
    assert result_bytes(result)
    assert snapshot_bytes(snapshot)
