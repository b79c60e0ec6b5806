"""What is measured of quotes: each way for cards to come together, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.engine import quotes
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.quote_process import Spent


def test_a_third_of_the_sample_is_in_gangs_and_a_third_divisible() -> None:
    market = generate(SIZES["tiny"], Regime.TIGHT, 1)
    asked = [each.alternatives[0] for each in quotes.sample(market, 1)]
    assert {each.gangs for each in asked[1::3]} == {quotes.GANGS}
    assert all(each.divisible for each in asked[2::3])
    assert not any(each.divisible for each in asked[::3])
    assert quotes.sample(market, 1) == quotes.sample(market, 1) != quotes.sample(market, 2)


def test_half_of_the_asks_of_a_product_are_not_above_its_price() -> None:
    market = generate(SIZES["tiny"], Regime.TIGHT, 1)
    prices = {(price.model, price.zone, price.currency): price.price for price in quotes.last_prices(market)}
    sites = {site.id: site for site in market.sites}
    below = [
        offer.asks[0] <= prices[offer.model, sites[offer.site].zone, sites[offer.site].currency]
        for offer in market.offers
    ]
    assert sum(below) * 2 >= len(below)


def test_times_are_told_by_rank() -> None:
    times = quotes.Times.of([Spent(float(each), each / 2) for each in range(1, 201)])
    assert (times.median, times.p99, times.slowest, times.slowest_by_clock) == (100.5, 198.0, 200.0, 100.0)


def test_it_is_measured_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "COLD_PROCESSES", 1)
    measured = quotes.measure("tiny", Regime.TIGHT, 1)
    assert measured.answered > measured.within_limit > 0
    assert measured.cold.slowest >= measured.taken_over.slowest > 0
    file = tmp_path / "quote.jsonl"
    quotes.record(measured, file)
    quotes.record(measured, file)
    assert len(file.read_text().splitlines()) == 1
    assert "## tiny, tight, seed 1" in file.with_suffix(".md").read_text()
