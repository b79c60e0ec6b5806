"""Owners register what is installed, offer it, and see what is left of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from marketplace.supply.models import Fleet, Offer, OfferHour, Site
from tests.cast import Cast
from tests.factories import make_fleet, make_model, make_offer, make_region, make_site
from tests.pages_trade.scenes import (
    HOUR,
    START,
    events,
    local,
    make_delivery,
    page,
    queries_of,
    rows_of_csv,
    signed_in,
    status,
)

pytestmark = pytest.mark.django_db


def an_offer(cast: Cast, **facts: object) -> Offer:
    return make_offer(make_fleet(make_site(cast.owner)), **facts)


def offer_form(fleet: Fleet, **changes: object) -> dict[str, object]:
    return {
        "fleet": fleet.pk,
        "cards": "16",
        "starts_at": local(START),
        "ends_at": local(START + 4 * HOUR),
        "asks": "7.5",
        "night_ask": "",
        "day_begins": "8",
        "day_ends": "22",
        "lot": "8",
        "minimum_hours": "1",
        "notice_minutes": "30",
    } | changes


@pytest.mark.parametrize("name", ["supply:fleets", "supply:offers"])
def test_lists_show_ones_own_and_nothing_to_a_stranger(cast: Cast, now: datetime, name: str) -> None:
    offer = an_offer(cast)
    assert offer.fleet.site.name_en in page(cast.owner_viewer, reverse(name))
    assert offer.fleet.site.name_en not in page(cast.stranger, reverse(name)).split("<main")[1]
    assert status(None, reverse(name)) == 302


@pytest.mark.parametrize("name", ["supply:site", "supply:offer"])
def test_a_stranger_finds_no_site_and_no_offer(cast: Cast, now: datetime, name: str) -> None:
    offer = an_offer(cast)
    address = reverse(name, args=[offer.fleet.site.pk if name == "supply:site" else offer.pk])
    assert status(cast.owner_viewer, address) == 200
    assert status(cast.stranger, address) == 404
    assert status(cast.auditor, address) == 200


def test_a_site_and_a_fleet_are_registered_by_form(cast: Cast, now: datetime) -> None:
    form = {
        "name_en": "Wuhu 1",
        "name_zh": "芜湖一号",
        "region": make_region().pk,
        "pue": "1.18",
        "renewable_share": "42.5",
        "bandwidth_mbps": "40000",
    }
    answer = signed_in(cast.owner_trader).post(reverse("supply:new_site"), form)
    site = Site.objects.get()
    assert answer["Location"] == reverse("supply:new_fleet", args=[site.pk])
    assert (site.owner, site.renewable_share) == (cast.owner, Decimal("0.425"))
    fleet = {
        "model": make_model().pk,
        "stack": "",
        "cards": "512",
        "node_size": "8",
        "interconnect": "InfiniBand NDR",
        "installed_at": local(START - 24 * HOUR),
    }
    assert signed_in(cast.owner_trader).post(answer["Location"], fleet).status_code == 302
    assert Fleet.objects.get(site=site).cards == 512
    assert [event["user__email"] for event in events("site.created") + events("fleet.created")] == [
        cast.owner_trader.email
    ] * 2


def test_a_refused_site_keeps_what_was_typed(cast: Cast, now: datetime) -> None:
    form = {
        "name_en": "Wuhu 1",
        "name_zh": "芜湖",
        "pue": "0.5",
        "renewable_share": "142",
        "bandwidth_mbps": "x",
    }
    answer = signed_in(cast.owner_trader).post(reverse("supply:new_site"), form)
    assert answer.status_code == 422
    assert 'value="Wuhu 1"' in answer.content.decode()
    assert 'value="142"' in answer.content.decode()
    assert not Site.objects.exists()


def test_an_offer_enters_the_market_and_says_who_made_it(cast: Cast, now: datetime) -> None:
    fleet = make_fleet(make_site(cast.owner))
    answer = signed_in(cast.owner_trader).post(reverse("supply:new_offer"), offer_form(fleet))
    offer = Offer.objects.get()
    assert answer["Location"] == reverse("supply:offer", args=[offer.pk])
    assert (offer.starts_at, offer.ends_at) == (START, START + 4 * HOUR)
    assert (offer.cards, offer.asks, offer.lot) == (16, [Decimal("7.5")], 8)
    (event,) = events("offer.created")
    assert (event["user__email"], event["organisation"]) == (cast.owner_trader.email, cast.owner.pk)


def test_night_hours_have_their_own_ask_in_the_readers_zone(cast: Cast, now: datetime) -> None:
    # From 17:00 to 21:00 in Shanghai; the day ends at 19:00.
    fleet = make_fleet(make_site(cast.owner))
    client = signed_in(cast.owner_trader)
    client.cookies["zone"] = "Asia/Shanghai"
    client.post(reverse("supply:new_offer"), offer_form(fleet, night_ask="4", day_ends="19"))
    assert [str(ask) for ask in Offer.objects.get().asks] == ["7.500000", "7.500000", "4.000000", "4.000000"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cards": "65"}, "The fleet has 64 cards"),
        ({"asks": "0"}, "An ask is more than 0"),
        ({"ends_at": local(START)}, "ends before it begins"),
        ({"starts_at": local(START - 20 * HOUR)}, "begins in the past"),
        ({"lot": "17"}, "A lot is at least 1 card"),
    ],
)
def test_a_refused_offer_names_the_field_and_keeps_the_input(
    cast: Cast, now: datetime, change: dict[str, object], said: str
) -> None:
    form = offer_form(make_fleet(make_site(cast.owner)), **change)
    answer = signed_in(cast.owner_trader).post(reverse("supply:new_offer"), form)
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert said in shown
    assert f'value="{form["asks"]}"' in shown
    assert f'value="{form["ends_at"]}"' in shown
    assert not Offer.objects.exists()


def test_nobody_offers_a_strangers_fleet(cast: Cast, now: datetime) -> None:
    theirs = make_fleet(make_site(cast.other_owner))
    answer = signed_in(cast.owner_trader).post(reverse("supply:new_offer"), offer_form(theirs))
    assert answer.status_code == 422
    assert not Offer.objects.exists()


def test_the_ask_is_changed_and_a_withdrawal_stays_one(cast: Cast, now: datetime) -> None:
    offer = an_offer(cast)
    client = signed_in(cast.owner_trader)
    ask = {"asks": "11.25", "night_ask": "", "day_begins": "", "day_ends": ""}
    assert client.post(reverse("supply:amend_offer", args=[offer.pk]), ask).status_code == 302
    offer.refresh_from_db()
    assert offer.asks == [Decimal("11.25")]
    assert client.post(reverse("supply:withdraw_offer", args=[offer.pk])).status_code == 302
    offer.refresh_from_db()
    assert offer.state == "withdrawn"
    refused = client.post(reverse("supply:amend_offer", args=[offer.pk]), ask)
    assert refused.status_code == 422
    assert "withdrawn" in refused.content.decode()
    assert len(events("offer.amended")) == len(events("offer.withdrawn")) == 1


@pytest.mark.parametrize("name", ["supply:amend_offer", "supply:withdraw_offer"])
def test_a_viewer_changes_nothing_and_a_stranger_finds_nothing(cast: Cast, now: datetime, name: str) -> None:
    offer = an_offer(cast)
    address = reverse(name, args=[offer.pk])
    assert signed_in(cast.owner_viewer).post(address, {"asks": "1"}).status_code == 403
    assert signed_in(cast.stranger).post(address, {"asks": "1"}).status_code == 404
    offer.refresh_from_db()
    assert (offer.state, offer.asks) == ("open", [Decimal(10)])


@pytest.mark.parametrize("name", ["supply:new_site", "supply:new_offer"])
def test_only_traders_of_owners_get_the_forms(cast: Cast, now: datetime, name: str) -> None:
    assert status(cast.owner_trader, reverse(name)) == 200
    assert status(cast.owner_viewer, reverse(name)) == 403
    assert status(cast.buyer_trader, reverse(name)) == 403


def test_the_csv_has_the_rows_of_the_table(cast: Cast, now: datetime) -> None:
    fleet = make_fleet(make_site(cast.owner, name_en="=cmd()"), cards=64)
    offers = [make_offer(fleet, cards=8 + n, ask=str(10 + n), start=START + n * 48 * HOUR) for n in range(3)]
    rows = rows_of_csv(cast.owner_viewer, reverse("supply:offers") + "?sort=-cards")
    assert [row["Offer"] for row in rows] == [str(offer.pk) for offer in reversed(offers)]
    assert [row["Lowest ask"] for row in rows] == ["12", "11", "10"]
    assert rows[0]["From"] == "2026-03-06T09:00:00Z"
    assert rows[0]["Site"] == "'=cmd()", "a spreadsheet must not take a name for a formula"


def test_the_list_is_filtered_by_state_model_and_site(cast: Cast, now: datetime) -> None:
    ended = an_offer(cast, start=START - 48 * HOUR)
    open_one = an_offer(cast)
    address = reverse("supply:offers")
    for query, expected in (
        ("state=ended", [ended]),
        ("state=open", [open_one]),
        (f"site={ended.fleet.site.pk}", [ended]),
        (f"model={ended.fleet.model.pk}", [open_one, ended]),
        ("state=nonsense", [open_one, ended]),
    ):
        rows = rows_of_csv(cast.owner_viewer, f"{address}?{query}")
        assert [row["Offer"] for row in rows] == [str(offer.pk) for offer in expected], query


def test_an_offer_shows_what_is_sold_of_it_and_to_whom(cast: Cast, now: datetime) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    offer = delivery.agreement.allocation.offer
    shown = page(cast.owner_viewer, reverse("supply:offer", args=[offer.pk]))
    assert reverse("agreements:agreement", args=[delivery.agreement.pk]) in shown
    assert "32 card-h" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert OfferHour.objects.filter(offer=offer).count() == 4


@pytest.mark.parametrize("name", ["supply:fleets", "supply:offers", "supply:site", "supply:offer"])
def test_queries_do_not_grow_with_the_data(cast: Cast, now: datetime, name: str) -> None:
    first = an_offer(cast)
    one = first.fleet.site
    args = {"supply:site": [one.pk], "supply:offer": [first.pk]}.get(name, [])
    few = queries_of(cast.owner_viewer, reverse(name, args=args))
    for _ in range(4):
        make_offer(make_fleet(one))
        an_offer(cast)
    assert queries_of(cast.owner_viewer, reverse(name, args=args)) == few
