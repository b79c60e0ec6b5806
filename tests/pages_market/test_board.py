from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from marketplace.catalogue.models import WorkloadClass
from marketplace.clearing.board import market_board, next_run_at
from tests.cast import Cast
from tests.factories import HOUR, START, make_model, make_zone
from tests.pages_market.scenes import make_price, make_products, make_profile, make_run, queries_of, signed_in

pytestmark = pytest.mark.django_db


def test_before_the_first_run_the_board_says_what_will_be_here(client: Client, now: datetime) -> None:
    text = client.get("/market/").content.decode()

    assert "No market run yet" in text
    assert "/catalogue/" in text


def test_a_product_shows_its_price_by_card_hour_and_by_work(client: Client, now: datetime) -> None:
    run, model = make_run(), make_model("h800")
    make_profile(model, "0.5")
    make_price(run, "10", model=model)
    make_price(run, "12", model=model, slot=START + HOUR)

    text = client.get("/market/").content.decode()

    assert "¥10.00 – ¥12.00/card-h" in text
    assert "¥20.00 – ¥24.00/nP-h" in text
    assert "/market/products/h800/cn-east/" in text
    assert f"/market/runs/{run.pk}/" in text


def test_prices_of_hours_gone_by_and_of_the_day_after_tomorrow_are_not_on_the_board(now: datetime) -> None:
    run = make_run()
    make_price(run, "1", slot=START - 2 * HOUR)
    make_price(run, "2", slot=START + 30 * HOUR)
    make_price(run, "10", cards=8)

    [line] = market_board(now=now, workload=WorkloadClass.TRAINING).lines

    assert (line.lowest, line.highest, line.card_hours) == (Decimal(10), Decimal(10), 8)


def test_the_cheapest_work_is_found_across_currencies(now: datetime) -> None:
    run, yuan, dollars = make_run(), make_zone("cn-east"), make_zone("us", "USD")
    cheap, dear = make_model("cheap"), make_model("dear")
    make_profile(cheap, "1")
    make_profile(dear, "1")
    make_price(run, "9", model=cheap, zone=yuan)
    make_price(run, "2", model=dear, zone=dollars)

    board = market_board(now=now, workload=WorkloadClass.TRAINING)

    assert board.cheapest is not None
    assert board.cheapest.model == "cheap"


def test_sorted_by_the_price_of_work_cards_without_a_rate_come_last(now: datetime) -> None:
    run = make_run()
    for slug, price, rate in (("a", "10", None), ("b", "10", "0.5"), ("c", "10", "1")):
        make_price(run, price, model=make_model(slug))
        if rate:
            make_profile(make_model(slug), rate)

    up = market_board(now=now, workload=WorkloadClass.TRAINING, sort="np").lines
    down = market_board(now=now, workload=WorkloadClass.TRAINING, sort="-np").lines

    assert [line.model for line in up] == ["c", "b", "a"]
    assert [line.model for line in down] == ["b", "c", "a"]


def test_asking_again_gets_nothing_until_a_run_has_changed_something(client: Client, now: datetime) -> None:
    make_price(make_run(), "10")
    seen = client.get("/market/").context["seen"]
    asked = {"HX-Request": "true", "X-Seen": seen}

    unchanged = client.get("/market/", headers=asked)
    make_price(make_run(), "11")
    changed = client.get("/market/", headers=asked)

    assert (unchanged.status_code, unchanged.content) == (204, b"")
    assert changed.status_code == 200
    assert "<html" not in changed.content.decode()
    assert "¥10.00 – ¥11.00/card-h" in changed.content.decode()


def test_what_is_chosen_stays_chosen_when_the_board_asks_again(client: Client, now: datetime) -> None:
    make_price(make_run(), "10")

    text = client.get("/market/?workload=vision&sort=-np&nonsense=1").content.decode()

    assert 'hx-get="/market/?workload=vision&amp;sort=-np"' in text


def test_the_next_run_is_counted_from_the_last_one(now: datetime) -> None:
    run = make_run(opened_at=now - timedelta(minutes=1))

    due = next_run_at(run, now=now)

    assert due is not None
    assert now < due <= now + timedelta(minutes=5)
    assert next_run_at(run, now=now + timedelta(hours=1)) is None


def test_more_products_take_no_more_queries(client: Client, now: datetime) -> None:
    make_products(make_run(), 2)
    few = queries_of(client, "/market/")
    make_products(make_run(), 12)

    assert queries_of(client, "/market/") == few <= 9


def test_a_cached_board_takes_two_queries(client: Client, now: datetime) -> None:
    make_products(make_run(), 3)
    client.get("/market/")

    assert queries_of(client, "/market/") <= 2


@pytest.mark.parametrize("who", ["owner_viewer", "buyer_viewer", "stranger", "auditor"])
def test_the_board_is_the_same_for_everybody(who: str, cast: Cast, now: datetime) -> None:
    make_price(make_run(), "10")

    assert "¥10.00/card-h" in signed_in(getattr(cast, who)).get("/market/").content.decode()
