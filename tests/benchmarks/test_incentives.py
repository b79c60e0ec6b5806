"""What shading gains is counted at true asks and limits, and at clearing prices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine import incentives, shading
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.market import BASE_UNIT
from benchmarks.engine.score import score
from benchmarks.engine.shading import SIDES, Account, Trial
from benchmarks.engine.snapshots import stored
from marketplace.engine import MICRO, Snapshot, clear


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return generate(SIZES["tiny"], Regime.TIGHT, 1)


def test_profits_of_owners_and_buyers_together_are_the_surplus(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    owners, buyers = (side.accounts(snapshot, result) for side in SIDES)
    profits = sum(each.profit for each in (*owners.values(), *buyers.values()))
    assert profits == pytest.approx(score(snapshot, result.placements).surplus / MICRO)


def test_owners_receive_what_buyers_pay(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    owners, buyers = (side.accounts(snapshot, result) for side in SIDES)
    received = sum(each.turnover for each in owners.values())
    assert received == pytest.approx(sum(each.turnover for each in buyers.values()))
    assert received > 0


def test_nobody_loses_when_truthful(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    for side in SIDES:
        assert all(each.profit >= 0 for each in side.accounts(snapshot, result).values())


def test_a_price_is_counted_for_each_card_and_hour_in_the_base_currency(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    prices = shading.Prices(snapshot, result)
    base = {currency.code: currency.base_micro for currency in snapshot.currencies}
    sites = {site.id: site for site in snapshot.sites}
    offers = {offer.id: offer for offer in snapshot.offers}
    first = result.placements[0]
    offer = offers[first.offer]
    site = sites[offer.site]
    paid = sum(
        price.price * first.cards * base[site.currency]
        for price in result.prices
        if (price.model, price.zone, price.currency) == (offer.model, site.zone, site.currency)
        and first.first_slot <= price.slot < first.first_slot + first.slots
    )
    assert prices.of(first) == paid
    assert paid / BASE_UNIT > 0


def test_only_the_one_owner_asks_otherwise(snapshot: Snapshot) -> None:
    owner = min(shading.sellers(snapshot))
    shaded = shading.shaded_asks(snapshot, owner, 20)
    own = {site.id for site in snapshot.sites if site.owner == owner}
    for before, after in zip(snapshot.offers, shaded.offers, strict=True):
        if before.site in own:
            assert after.asks == tuple(ask * 120 // 100 for ask in before.asks)
        else:
            assert after == before
    assert replace(shaded, offers=snapshot.offers) == snapshot


def test_only_the_one_buyer_bids_otherwise(snapshot: Snapshot) -> None:
    buyer = min(shading.buyers(snapshot))
    shaded = shading.shaded_limits(snapshot, buyer, -5)
    for before, after in zip(snapshot.requests, shaded.requests, strict=True):
        limits = [one.limit for one in before.alternatives]
        expected = [limit * 95 // 100 for limit in limits] if before.buyer == buyer else limits
        assert [one.limit for one in after.alternatives] == expected
    assert replace(shaded, requests=snapshot.requests) == snapshot


def test_an_owner_that_asks_too_much_to_sell_has_lost_its_profit(snapshot: Snapshot) -> None:
    side, truth = SIDES[0], clear(snapshot)
    accounts = side.accounts(snapshot, truth)
    richest = max(accounts, key=lambda owner: accounts[owner].turnover)
    unsold = clear(side.shaded(snapshot, richest, 100_000))
    assert richest not in side.accounts(snapshot, unsold)


def test_the_best_of_all_shades_is_never_below_the_truth() -> None:
    trial = Trial(Account(10.0, 100.0), {-5: Account(4.0, 90.0), 5: Account(12.0, 110.0)})
    assert trial.gain(-5) == -6.0
    assert trial.gain(None) == 2.0
    assert Trial(Account(10.0, 100.0), {5: Account(1.0, 1.0)}).gain(None) == 0.0


def test_gains_are_shares_of_the_truthful_profit_and_turnover() -> None:
    found = incentives.gains(
        "owners",
        5,
        [
            Trial(Account(10.0, 100.0), {5: Account(12.0, 110.0)}),
            Trial(Account(10.0, 50.0), {5: Account(9.0, 50.0)}),
            Trial(Account(0.0, 0.0), {5: Account(1.0, 9.0)}),
        ],
    )
    assert found.gained == 2
    assert found.by_profit.mean == pytest.approx(0.05)
    assert found.by_profit.most == pytest.approx(0.2)
    assert found.by_turnover.mean == pytest.approx(0.0)


def test_a_measurement_of_a_market_takes_the_place_of_the_last(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(incentives, "stored", lambda *market: stored(*market, tmp_path))
    measured = incentives.measure("tiny", Regime.TIGHT, 1, 1)
    for each in (measured, replace(measured, date="2026-12-01")):
        incentives.record(each, tmp_path / "incentives.jsonl")
    page = (tmp_path / "incentives.md").read_text()
    assert page.count("## tiny, tight, seed 1") == 1
    assert "2026-12-01" in page
    assert page.count("| owners |") == page.count("| buyers |") == len(shading.SHADES) + 1
