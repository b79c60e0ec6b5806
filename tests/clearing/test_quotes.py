"""Quotes of the market as it is: from a book that a task makes, over the API and on the panel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import Scope
from marketplace.clearing import quote_book
from marketplace.clearing.quote import Quote, Quotes, problems, quotes
from marketplace.clearing.tasks import prepare_quotes
from marketplace.demand.models import ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from tests.cast import Cast, bearer
from tests.clearing.market import make_reference
from tests.conftest import NOW
from tests.factories import (
    HOUR,
    START,
    make_fleet,
    make_model,
    make_offer,
    make_region,
    make_request,
    make_site,
    make_zone,
)
from tests.pages_market.scenes import make_price, make_run, signed_in

pytestmark = pytest.mark.django_db

WANTED = AlternativeInput(
    unit="cards",
    amount=Decimal(8),
    workload="training",
    earliest_start=START,
    hours=4,
    deadline=START + 24 * HOUR,
    limit=Decimal(12),
)
ASKED = RequestInput(title="", currency="CNY", alternatives=[WANTED])
BODY = {
    "currency": "CNY",
    "alternatives": [
        {
            "unit": "cards",
            "amount": "8",
            "workload": "training",
            "earliest_start": START.isoformat(),
            "hours": 4,
            "deadline": (START + 24 * HOUR).isoformat(),
            "limit": "12",
        }
    ],
}


@pytest.fixture(autouse=True)
def _no_book_yet() -> None:
    cache.clear()


def asked(now: datetime = NOW, **changes: Any) -> Quotes:
    wanted = replace(WANTED, **{name: value for name, value in changes.items() if name != "currency"})
    return quotes(replace(ASKED, alternatives=[wanted], currency=changes.get("currency", "CNY")), now=now)


def quoted(**changes: Any) -> Quote:
    (found,) = asked(**changes).alternatives
    assert found is not None
    return found


def ask_the_api(cast: Cast, client: Client, body: object) -> Any:
    by_token = bearer(cast.token(cast.buyer, Scope.READ))
    return client.post(reverse("api:quote-list"), body, content_type="application/json", headers=by_token)


def test_a_quote_tells_the_cheapest_way_to_have_it() -> None:
    make_reference()
    for ask in ("14", "11", "10.5"):
        make_offer(make_fleet(make_site()), ask=ask)
    quote_book.prepare(now=NOW)
    found = quoted()
    assert found.cost is not None
    assert (found.cost.total, found.cost.unit, found.cost.share) == (Decimal(336), Decimal("10.5"), 1)
    assert (found.cost.starts_at, found.cost.hours, found.cost.within_limit) == (START, 4, True)
    assert (found.market, found.offers, found.sites, found.zones) == (3, 3, 3, 1)
    assert [(each.constraint, each.offers) for each in found.removed] == [("limit", 1)]


def test_it_counts_at_the_prices_of_the_last_run() -> None:
    """The first hour was sold at 13 by it; what an older run sold at 30 says nothing of now."""
    make_offer(ask="10")
    make_price(make_run(), "30", slot=START + HOUR)
    make_price(make_run(), "13", slot=START)
    quote_book.prepare(now=NOW)
    found = quoted(deadline=START + 4 * HOUR).cost
    assert found is not None
    assert found.total == 8 * (13 + 10 + 10 + 10)


def test_what_a_constraint_costs_is_told() -> None:
    make_reference()
    make_offer(make_fleet(make_site(region=make_region("near", make_zone("cn-east")))), ask="12")
    far = make_region("far", make_zone("west"), jurisdiction="SG")
    make_offer(make_fleet(make_site(region=far)), ask="10")
    quote_book.prepare(now=NOW)
    (dropped,) = quoted(jurisdictions=("CN",)).without
    assert (dropped.constraint, dropped.more_offers, dropped.more_sites) == ("jurisdiction", 1, 1)
    assert dropped.cost is not None
    assert dropped.cost.unit == 10


def test_what_is_not_in_the_market_yet_has_no_quote() -> None:
    make_reference()
    quote_book.prepare(now=NOW)
    late = START + 1000 * HOUR
    assert asked(earliest_start=late, deadline=late + 9 * HOUR).alternatives == (None,)
    assert asked(currency="GBP").alternatives == (None,)


def test_hours_that_have_passed_since_the_market_was_read_are_not_quoted() -> None:
    make_reference()
    make_offer(ask=["1", "1", *["10"] * 22])
    quote_book.prepare(now=NOW)
    assert quoted(now=NOW).cost.total == 8 * (1 + 1 + 10 + 10)  # type: ignore[union-attr]
    later = quoted(now=NOW + 2 * HOUR).cost
    assert later is not None
    assert (later.starts_at, later.total) == (START + 2 * HOUR, 8 * 40)


def test_who_holds_an_old_book_takes_over_the_newer_one() -> None:
    make_reference()
    make_offer(ask="10")
    prepare_quotes()
    before = quote_book.current()
    assert quote_book.current()[0] is before[0]
    make_offer(make_fleet(make_site()), ask="9")
    quote_book.prepare(now=NOW)
    assert quoted().cost.unit == 9  # type: ignore[union-attr]


def test_without_a_book_nobody_waits(cast: Cast, client: Client, now: datetime) -> None:
    """The panel asks again by itself; the API says when."""
    make_reference()
    with pytest.raises(quote_book.QuotesInPreparation):
        asked()
    answer = ask_the_api(cast, client, BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, "quotes_in_preparation")
    assert answer.headers["Retry-After"] == "5"
    shown = signed_in(cast.buyer_trader).post(reverse("clearing:quote"), form()).content.decode()
    assert 'hx-trigger="load delay:5s"' in shown


def form(**changes: object) -> dict[str, Any]:
    local = {"earliest_start": f"{START:%Y-%m-%dT%H:%M}", "deadline": f"{START + 24 * HOUR:%Y-%m-%dT%H:%M}"}
    fields = {
        "amount": "8",
        "unit": "cards",
        "workload": "training",
        "hours": "4",
        "together": "anywhere",
        "limit": "12",
        **local,
        **changes,
    }
    typed = {f"alternatives-0-{name}": value for name, value in fields.items()}
    return {"title": "", "currency": "CNY", "least_share": "100", "alternatives": "1", **typed}


def test_the_panel_tells_the_cost_and_what_each_constraint_costs(cast: Cast, now: datetime) -> None:
    make_reference()
    make_offer(make_fleet(make_site(region=make_region("near"))), ask="12.5")
    far = make_region("far", make_zone("west"), jurisdiction="SG")
    make_offer(make_fleet(make_site(region=far)), ask="10")
    quote_book.prepare(now=NOW)
    client = signed_in(cast.buyer_viewer)
    shown = client.post(reverse("clearing:quote"), form(jurisdictions="CN")).content.decode()
    assert "<strong>¥12.50/card-h</strong>, ¥400.00 in all." in shown
    assert "The cheapest hours: 4\N{NO-BREAK SPACE}h from" in shown
    assert "It is above your limit." in shown
    assert "Jurisdiction: Mainland China: without it ¥2.50/card-h less, 1 more site" in shown
    assert "NVIDIA H800" in shown
    assert "It is within your limit." in client.post(reverse("clearing:quote"), form()).content.decode()


def test_the_chance_is_judged_from_what_the_last_runs_sold(cast: Cast, now: datetime) -> None:
    """Sixteen cards within the limit for eight: a run that sold nine would not have left enough."""
    make_reference()
    make_offer(cards=16)
    for cards in (8, 9):
        make_price(make_run(), "10", cards=cards)
    make_run()
    quote_book.prepare(now=NOW)
    chance = quoted().chance
    assert chance is not None
    assert (chance.cover, chance.runs, chance.left) == (2, 3, 2)
    assert chance.probability == Decimal(3) / 5
    shown = signed_in(cast.buyer_viewer).post(reverse("clearing:quote"), form()).content.decode()
    assert "<strong>60\N{NARROW NO-BREAK SPACE}%</strong> to match in the next run" in shown
    assert "enough of it is left in 2 of 3" in shown


def test_the_api_quotes_and_enters_nothing(cast: Cast, client: Client, now: datetime) -> None:
    make_reference()
    make_offer(ask="10", cards=6)
    quote_book.prepare(now=NOW)
    answer = ask_the_api(cast, client, {**BODY, "least_share": "0.5"})
    assert answer.status_code == 200
    told = answer.json()
    (found,) = told["alternatives"]
    assert (told["currency"], found["market"], found["offers"], found["without"]) == ("CNY", 1, 1, [])
    assert found["cost"] == {
        "total": "240.000000",
        "unit": "10.000000",
        "share": "0.750000",
        "starts_at": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hours": 4,
        "within_limit": True,
    }
    assert not ComputeRequest.objects.exists()


def test_what_could_not_be_entered_is_not_quoted(cast: Cast, client: Client, now: datetime) -> None:
    make_reference()
    wrong = {**BODY, "alternatives": [BODY["alternatives"][0] | {"limit": None, "jurisdictions": ["XX"]}]}
    answer = ask_the_api(cast, client, wrong)
    assert answer.status_code == 422
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {"alternatives.0.limit", "alternatives.0.jurisdictions"}
    assert not [name for name, _ in problems(ASKED, now=NOW) if name == "title"]


def test_a_quote_asks_the_database_for_names_alone(
    cast: Cast, client: Client, now: datetime, django_assert_max_num_queries: Any
) -> None:
    make_reference()
    make_model("a100")
    for _ in range(4):
        make_offer(make_fleet(make_site()))
        make_request(cast.buyer)
    quote_book.prepare(now=NOW)
    with django_assert_max_num_queries(3):
        problems(ASKED, now=NOW)
        asked()
