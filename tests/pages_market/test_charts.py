"""Charts of the market: they state what they show, and their figures come as a table and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from marketplace.clearing import quote_book
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.conftest import NOW
from tests.factories import make_fleet, make_model, make_offer, make_request, make_site
from tests.pages_market.scenes import make_price, make_profile, make_run

ADDRESS = "/market/products/h800/cn-east/"


def rows_of(client: Client, query: str) -> list[list[str]]:
    answer = client.get(f"{ADDRESS}?{query}")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (("10", "10", "12"), "A card-hour costs ¥12.00/card-h, 20.0 % more than in the 2 runs before."),
        (("10", "10", "9"), "A card-hour costs ¥9.00/card-h, 10.0 % less than in the 2 runs before."),
        (("10", "10", "10"), "A card-hour costs ¥10.00/card-h, as in the 2 runs before."),
    ],
)
def test_the_title_of_the_prices_says_what_they_show(
    client: Client, now: datetime, prices: tuple[str, ...], said: str
) -> None:
    for price in prices:
        make_price(make_run(), price)
    assert client.get(ADDRESS).context["finding"].replace("\N{NARROW NO-BREAK SPACE}", " ") == said
    rows = rows_of(client, "format=csv")
    assert [row[4] for row in rows[1:]] == list(reversed(prices))


@pytest.mark.django_db
def test_one_price_is_a_number_and_no_chart(client: Client, now: datetime) -> None:
    make_price(make_run(), "10")
    page = client.get(ADDRESS)
    assert page.context["chart"] is None
    assert "Runs that sold it" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_both_sides_of_the_market_cross_where_the_run_priced_it(
    cast: Cast, client: Client, now: datetime
) -> None:
    """Eight of the cards at 10 are sold to who pays 12. Left are eight at 11, and nobody who pays that."""
    make_reference()
    make_profile(make_model(), "2")
    make_offer(make_fleet(make_site(cast.owner)), ask="10")
    make_offer(make_fleet(make_site(cast.owner)), ask="11")
    make_request(cast.buyer, limit="12")
    make_request(cast.buyer, limit="9", cards=4)
    in_np = {"unit": "np", "amount": Decimal(4), "limit": Decimal(4), "budget": None}
    make_request(cast.buyer, alternatives=[in_np])
    done = run()
    quote_book.prepare(now=NOW)

    depth = client.get(ADDRESS).context["depth"]

    assert (depth.run, depth.sold) == (done.pk, 8)
    assert 10 <= depth.price <= 12
    assert [(cards, price) for cards, price in depth.supply] == [(8, 10), (8, max(11, depth.price))]
    assert [(cards, price) for cards, price in depth.demand] == [(8, 12), (4, 9), (2, 8)]
    assert ["demand", "12", "8"] in rows_of(client, "format=csv&of=depth")
