from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from billing.rating.models import Charge
from tests.billing.builders import make_delivery
from tests.billing.builders import make_run as make_rating_run
from tests.cast import Cast
from tests.factories import make_fleet, make_model, make_offer, make_request, make_site
from tests.pages_market.scenes import make_explanation, make_price, make_run, queries_of, signed_in

pytestmark = pytest.mark.django_db


def test_the_front_page_is_the_market(client: Client, now: datetime) -> None:
    make_price(make_run(), "10")

    text = client.get("/").content.decode()

    assert "¥10.00/card-h" in text
    assert "/accounts/signup/" in text


def test_who_belongs_to_nobody_yet_is_led_to_register(cast: Cast, now: datetime) -> None:
    assert "/organisation/new/" in signed_in(cast.nobody_yet).get("/").content.decode()


def test_auditors_begin_with_the_utilisation(cast: Cast, now: datetime) -> None:
    assert signed_in(cast.auditor).get("/")["Location"] == "/audit/"


def test_a_buyer_sees_what_is_open_and_what_was_answered(cast: Cast, now: datetime) -> None:
    mine = make_request(cast.buyer, title="Spring training")
    make_explanation(make_run(), mine)
    newest = make_explanation(make_run(), mine)
    make_request(cast.other_buyer, title="Somebody else's")
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)

    page = signed_in(cast.buyer_viewer).get("/")

    assert [answer.run_id for answer in page.context["explanations"]] == [newest.run_id]
    assert [agreement.pk for agreement in page.context["agreements"]] == [delivery.agreement_id]
    assert "Spring training" in page.content.decode()
    assert "Somebody else" not in page.content.decode()


def test_who_works_for_two_organisations_sees_the_chosen_one(cast: Cast, now: datetime) -> None:
    make_request(cast.other_buyer, title="Of the buyer")
    fleet = make_fleet(make_site(cast.other_owner))
    make_offer(fleet)
    client = signed_in(cast.stranger)

    assert client.get("/").templates[0].name == "home/owner.html"
    client.post("/organisation/switch/", {"organisation": cast.other_buyer.pk})
    assert "Of the buyer" in client.get("/").content.decode()


def test_the_requests_of_another_organisation_of_ones_own_stay_out(cast: Cast, now: datetime) -> None:
    make_request(cast.buyer, title="Of the first")
    make_request(cast.other_buyer, title="Of the second")
    cast.join(cast.buyer_trader, cast.other_buyer, "admin")
    client = signed_in(cast.buyer_trader)

    first = client.get("/").context["requests"]
    client.post("/organisation/switch/", {"organisation": cast.other_buyer.pk})
    second = client.get("/").context["requests"]

    assert [request.title for request in first] == ["Of the first"]
    assert [request.title for request in second] == ["Of the second"]


def test_an_owner_sees_what_is_unsold_and_why(cast: Cast, now: datetime) -> None:
    site = make_site(cast.owner)
    dear = make_offer(make_fleet(site, make_model("dear")), ask="20")
    cheap = make_offer(make_fleet(site, make_model("cheap")), ask="5", cards=4)
    make_offer(make_fleet(make_site(cast.other_owner)), ask="5")
    run = make_run()
    make_price(run, "10", model=make_model("dear"))
    make_price(run, "10", model=make_model("cheap"))

    page = signed_in(cast.owner_viewer).get("/")

    rows = [(row.offer.pk, row.card_hours, row.is_above_the_market) for row in page.context["unsold"]]
    assert rows == [(dear.pk, 8 * 24, True), (cheap.pk, 4 * 24, False)]
    assert page.context["ahead"].listed == 12 * 24
    text = page.content.decode()
    assert "ask above the market" in text
    assert "demand is met" in text


def test_what_an_owner_earned_is_what_it_was_credited(cast: Cast, now: datetime) -> None:
    deliveries = [make_delivery(owner=owner, buyer=cast.buyer) for owner in (cast.owner, cast.other_owner)]
    charges = [
        Charge(
            agreement=delivery.agreement, slot=delivery.starts_at, quantity=3600, committed=3600,
            price=100, currency="CNY", amount=Decimal(100), commission=Decimal(3), credit=Decimal(97),
            last_reading=1,
        )
        for delivery in deliveries
    ]  # fmt: skip
    make_rating_run(charges, now=now)

    [total] = signed_in(cast.owner_finance).get("/").context["earned"]

    assert (total["total_credit"], total["charges"]) == (97, 1)


def test_more_offers_and_requests_take_no_more_queries(cast: Cast, now: datetime) -> None:
    make_run(opened_at=now - timedelta(hours=2))
    fleet = make_fleet(make_site(cast.owner), cards=64)
    make_offer(fleet, cards=2)
    make_explanation(make_run(), make_request(cast.buyer))
    owner, buyer = signed_in(cast.owner_viewer), signed_in(cast.buyer_viewer)
    owner.get("/")
    few = queries_of(owner, "/"), queries_of(buyer, "/")
    for _ in range(5):
        make_offer(fleet, cards=2)
        make_explanation(make_run(), make_request(cast.buyer))
        make_delivery(owner=cast.owner, buyer=cast.buyer)
    owner.get("/")

    assert (queries_of(owner, "/"), queries_of(buyer, "/")) == few
    assert max(few) <= 18
