"""Offers and limits in different currencies: exact, and never to the buyer's cost."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace.engine import (
    MICRO,
    Currency,
    MalformedSnapshot,
    Snapshot,
    clear,
    result_bytes,
    snapshot_bytes,
    verify,
)
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


@pytest.mark.parametrize(
    ("limit", "matched"),
    [(10.8, True), (10.5, True), (10.399999, False)],
)
def test_a_split_over_currencies_is_within_the_limit_as_a_whole(limit: float, matched: bool) -> None:
    """1.50 dollars are 10.80 yuan: with as many cards at 10 that is 10.40 for each."""
    snapshot = market(
        [offer(1, cards=4, ask=10), offer(2, cards=4, ask=1.5, site=2)],
        [request(gangs=0, limit=limit)],
        sites=[site(1), site(2, currency="USD", zone="us")],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert bool(result.placements) is matched
    assert result.surplus == (money((limit - 10.4) * 32) if matched else 0)


def _at_the_bounds(*, base: int, amount: int) -> Snapshot:
    """Two who pay a million micro-units for a card-hour, for which owners ask just that and one less."""
    day: dict[str, Any] = {"amount": amount, "limit": 1, "duration": 24, "currency": "HUGE"}
    return market(
        [
            offer(1, cards=amount, asks=(10**6,) * 24),
            offer(2, cards=amount, asks=(10**6 - 1,) * 24),
        ],
        [request(1, **day), request(2, gangs=0, **day)],
        sites=[site(currency="HUGE")],
        currencies=(YUAN, DOLLAR, Currency("HUGE", base)),
    )


@pytest.mark.parametrize(("base", "amount"), [(187 * 10**6, 10**6), (10**12 - 1, 187)])
def test_figures_at_the_bounds_do_not_overflow(base: int, amount: int) -> None:
    """As many cards, and as dear ones, as a request may ask for: 24 hours of either are worth 4,488
    million of the base currency, and the most is 2**52 micro-units."""
    snapshot = _at_the_bounds(base=base, amount=amount)
    result = clear(snapshot)
    verify(snapshot, result)
    assert {each.request for each in result.placements} == {1, 2}
    assert {row.price for row in result.prices} == {10**6}
    assert result.surplus == amount * 24 * base // MICRO


@pytest.mark.parametrize(("base", "amount"), [(188 * 10**6, 10**6), (10**12 - 1, 188)])
def test_figures_over_the_bounds_are_refused(base: int, amount: int) -> None:
    with pytest.raises(MalformedSnapshot, match=r"request 1 .*split it"):
        clear(_at_the_bounds(base=base, amount=amount))


def test_large_yuan_figures_do_not_overflow() -> None:
    """Three equals of 187 cards at just below a million each: the price is the highest ask."""
    day: dict[str, Any] = {"amount": 187, "limit": 10**6 - 0.000001, "duration": 24}
    snapshot = market(
        [offer(n, cards=187, asks=(10**12 - n,) * 24) for n in (1, 2, 3)],
        [request(n, gangs=int(n == 1), **day) for n in (1, 2, 3)],
    )
    result = clear(snapshot)
    verify(snapshot, result)
    assert {each.request for each in result.placements} == {1, 2, 3}
    assert {row.price for row in result.prices} == {10**12 - 1}
    assert result.surplus == (0 + 1 + 2) * 187 * 24
    assert result_bytes(result)
    assert snapshot_bytes(snapshot)
