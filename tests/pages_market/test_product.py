from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from tests.factories import HOUR, START, make_model, make_profile_version, make_zone
from tests.pages_market.scenes import make_price, make_profile, make_run, queries_of

pytestmark = pytest.mark.django_db

ADDRESS = "/market/products/h800/cn-east/"


def test_the_average_of_a_run_is_weighted_by_the_cards_it_sold(client: Client, now: datetime) -> None:
    run = make_run()
    make_price(run, "10", cards=30)
    make_price(run, "20", cards=10, slot=START + HOUR)

    page = client.get(ADDRESS)

    [row] = page.context["history"]
    assert (row["lowest"], row["average"], row["highest"]) == (10, Decimal("12.5"), 20)
    assert row["card_hours"] == 40
    assert "¥12.50/card-h" in page.content.decode()


def test_each_hour_shows_the_price_of_the_newest_run_that_sold_it(client: Client, now: datetime) -> None:
    older, newer = make_run(), make_run()
    make_price(older, "10")
    make_price(older, "11", slot=START + HOUR)
    make_price(newer, "12")

    shown = [(price.slot, price.price, price.run_id) for price in client.get(ADDRESS).context["page"]]

    assert shown == [(START, 12, newer.pk), (START + HOUR, 11, older.pk)]


def test_what_the_card_can_run_and_what_that_costs(client: Client, now: datetime) -> None:
    make_profile(make_model(), "0.5")
    make_profile(make_model(), "0.25", "vision")
    make_price(make_run(), "10")

    rows = client.get(ADDRESS).context["profiles"]

    assert [(row["rate"], row["price"]) for row in rows] == [(Decimal("0.5"), 20), (Decimal("0.25"), 40)]


def test_a_product_that_was_never_sold_says_so(client: Client, now: datetime) -> None:
    make_profile_version()
    make_model()
    make_zone()

    assert "No run has sold this product yet" in client.get(ADDRESS).content.decode()


def test_a_product_that_cannot_be_is_not_found(client: Client, now: datetime) -> None:
    make_profile_version()
    make_zone()
    assert client.get(ADDRESS).status_code == 404
    make_model()
    assert client.get("/market/products/h800/atlantis/").status_code == 404


def test_more_runs_take_no_more_queries(client: Client, now: datetime) -> None:
    make_profile(make_model(), "0.5")
    make_price(make_run(), "10")
    few = queries_of(client, ADDRESS)
    for hour in range(12):
        make_price(make_run(), "10", slot=START + hour * HOUR)

    assert queries_of(client, ADDRESS) == few <= 11
