"""What a site may draw, how a fleet grows and shrinks, and which facts an offer waits for."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Scope
from marketplace.catalogue.models import AcceleratorModel
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.supply import services
from marketplace.supply.models import Fleet, Offer, Site
from marketplace.supply.rules import FleetInput, OfferChange, SiteInput
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.factories import ENTERED, HOUR, START, make_fleet, make_model, make_offer, make_region, make_site
from tests.pages_trade.scenes import page, signed_in
from tests.supply.sales import sell

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(cast: Cast) -> Site:
    return make_site(cast.owner)


@pytest.fixture
def fleet(site: Site) -> Fleet:
    return make_fleet(site, cards=64)


def cap(cast: Cast, site: Site, now: datetime, kilowatts: Decimal | None) -> Site:
    viewer = cast.viewer_of(cast.owner_trader)
    return services.set_power_cap(viewer=viewer, site=site, kilowatts=kilowatts, now=now)


def resize(cast: Cast, fleet: Fleet, now: datetime, cards: int) -> Fleet:
    return services.resize_fleet(viewer=cast.viewer_of(cast.owner_trader), fleet=fleet, cards=cards, now=now)


def refused(cast: Cast, fleet: Fleet, now: datetime, cards: int) -> str:
    with pytest.raises(InvalidInput) as refusal:
        resize(cast, fleet, now, cards)
    (message,) = refusal.value.fields.values()
    return message


def install(cast: Cast, site: Site, model: AcceleratorModel, now: datetime) -> Fleet:
    wanted = FleetInput(model, cards=8, node_size=8, interconnect="NVLink", installed_at=now)
    return services.create_fleet(viewer=cast.viewer_of(cast.owner_trader), site=site, fleet=wanted, now=now)


def test_a_power_cap_is_set_changed_and_lifted_and_each_is_recorded(
    cast: Cast, site: Site, now: datetime
) -> None:
    for kilowatts in (Decimal(500), Decimal("0.5"), None):
        cap(cast, site, now, kilowatts)
        site.refresh_from_db()
        assert site.power_cap_kw == kilowatts
    changes = AuditEvent.objects.filter(action="site.power_cap_changed").order_by("pk")
    assert [(event.data["before"], event.data["after"]) for event in changes] == [
        (None, "500"),
        ("500.000", "0.5"),
        ("0.500", None),
    ]


@pytest.mark.parametrize("kilowatts", [Decimal(0), Decimal(-1), Decimal(1_000_000)])
def test_a_power_cap_makes_sense(cast: Cast, site: Site, now: datetime, kilowatts: Decimal) -> None:
    with pytest.raises(InvalidInput) as refusal:
        cap(cast, site, now, kilowatts)
    assert list(refusal.value.fields) == ["power_cap_kw"]
    with pytest.raises(InvalidInput) as refusal:
        services.create_site(
            viewer=cast.viewer_of(cast.owner_trader),
            organisation=cast.owner,
            site=SiteInput("A", "甲", make_region(), Decimal("1.2"), Decimal("0.4"), 1000, kilowatts),
            now=now,
        )
    assert list(refusal.value.fields) == ["power_cap_kw"]


def test_the_database_has_no_cap_of_nothing(site: Site) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Site.objects.filter(pk=site.pk).update(power_cap_kw=0)


def test_a_site_with_a_cap_has_no_cards_of_unknown_power(cast: Cast, site: Site, now: datetime) -> None:
    mystery = make_model("mystery", tdp_w=None)
    install(cast, site, mystery, now)
    with pytest.raises(InvalidInput) as refusal:
        cap(cast, site, now, Decimal(500))
    assert "NVIDIA MYSTERY" in refusal.value.fields["power_cap_kw"]
    capped = make_site(cast.owner, power_cap_kw=Decimal(500))
    with pytest.raises(InvalidInput) as refusal:
        install(cast, capped, mystery, now)
    assert "NVIDIA MYSTERY" in refusal.value.fields["model"]
    install(cast, capped, make_model(), now)


def test_a_fleet_grows_and_shrinks_and_each_is_recorded(cast: Cast, fleet: Fleet, now: datetime) -> None:
    for cards in (128, 8):
        changed = resize(cast, fleet, now, cards)
        assert (changed.cards, changed.cards_since) == (cards, START - HOUR)
    changes = AuditEvent.objects.filter(action="fleet.resized").order_by("pk")
    assert [(event.data["before"], event.data["after"]) for event in changes] == [(64, 128), (128, 8)]
    assert {event.organisation for event in changes} == {cast.owner}


@pytest.mark.parametrize(("cards", "said"), [(0, "1 to 1,000,000"), (7, "8 cards"), (1_000_001, "1,000,000")])
def test_a_fleet_keeps_a_size_that_makes_sense(
    cast: Cast, fleet: Fleet, now: datetime, cards: int, said: str
) -> None:
    with pytest.raises(InvalidInput, match="was not changed") as refusal:
        resize(cast, fleet, now, cards)
    assert any(said in message for message in refusal.value.fields.values())


def test_a_fleet_keeps_what_it_lists_now_and_later(cast: Cast, fleet: Fleet, now: datetime) -> None:
    make_offer(fleet, cards=24, start=START, hours=4)
    make_offer(fleet, cards=16, start=START + 2 * HOUR, hours=4)
    assert "40 cards are listed or sold" in refused(cast, fleet, now, 39)
    resize(cast, fleet, now, 40)
    # When the first one is over, 16 cards are enough.
    assert "16 cards" in refused(cast, fleet, START + 4 * HOUR, 15)
    resize(cast, fleet, START + 4 * HOUR, 16)
    resize(cast, fleet, START + 6 * HOUR, 8)


def test_a_fleet_keeps_what_a_withdrawn_offer_sold_until_its_hours_are_over(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    offer = make_offer(fleet, cards=64, start=START, hours=24)
    sell(offer, cards=16, start=START + HOUR, hours=2)
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=ENTERED)
    assert "16 cards" in refused(cast, fleet, now, 15)
    # The hour under way is not over yet.
    assert "16 cards" in refused(cast, fleet, START + 2.5 * HOUR, 15)
    assert resize(cast, fleet, START + 3 * HOUR, 8).cards == 8


def test_the_database_lets_a_fleet_shrink_below_the_past_only(cast: Cast, fleet: Fleet) -> None:
    make_offer(fleet, cards=64, start=START, hours=4)
    fleets = Fleet.objects.filter(pk=fleet.pk)
    for since in (None, START, START + 3 * HOUR):
        with pytest.raises(IntegrityError, match="cannot shrink"), transaction.atomic():
            fleets.update(cards=32, cards_since=since)
    fleets.update(cards=32, cards_since=START + 4 * HOUR)
    with pytest.raises(IntegrityError, match="cannot shrink"), transaction.atomic():
        fleets.update(cards_since=START + 3 * HOUR)


def test_the_past_of_a_fleet_that_shrank_stands_in_no_offers_way(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    """64 cards were listed for four hours, 32 of them still are: their asks change, and more are listed."""
    long, _ = make_offer(fleet, cards=32, hours=24), make_offer(fleet, cards=32, hours=4)
    later, viewer = START + 5 * HOUR, cast.viewer_of(cast.owner_trader)
    resize(cast, fleet, later, 40)
    change = OfferChange(asks=(Decimal(9),))
    assert services.amend_offer(viewer=viewer, offer=long, change=change, now=later).asks == [9]
    make_offer(fleet, cards=8, start=later, hours=4)
    with pytest.raises(IntegrityError, match="would list"), transaction.atomic():
        make_offer(fleet, cards=1, start=later, hours=4)
    assert services.withdraw_offer(viewer=viewer, offer=long, now=later).state == "withdrawn"


def test_only_who_trades_for_the_owner_changes_sites_and_fleets(
    cast: Cast, site: Site, fleet: Fleet, now: datetime
) -> None:
    for viewer in (
        cast.viewer_of(cast.owner_viewer),
        cast.viewer_of(cast.owner_finance),
        cast.viewer_of(cast.stranger),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.owner, Scope.READ, Scope.AGENT),
    ):
        with pytest.raises(NotAllowed):
            services.set_power_cap(viewer=viewer, site=site, kilowatts=Decimal(1), now=now)
        with pytest.raises(NotAllowed):
            services.resize_fleet(viewer=viewer, fleet=fleet, cards=8, now=now)


@pytest.mark.parametrize(
    ("unknown", "missing", "said"),
    [
        ("nothing", None, ""),
        ("rate", "fx_rate", "it waits for an exchange rate of CNY"),
        ("tdp_w", "power", "the site has a power cap"),
        ("memory_gb", "memory", "the memory of this model"),
    ],
)
def test_an_offer_says_which_fact_it_waits_for(
    cast: Cast, client: Client, now: datetime, unknown: str, missing: str | None, said: str
) -> None:
    facts: dict[str, Any] = {unknown: None} if unknown in {"tdp_w", "memory_gb"} else {}
    site = make_site(cast.owner, power_cap_kw=Decimal(500))
    offer = make_offer(make_fleet(site, make_model("partly-known", **facts)))
    if unknown != "rate":
        make_reference()
    client.force_login(cast.owner_viewer)
    assert client.get(f"/api/v1/offers/{offer.pk}").json()["waits_for"] == missing
    shown = page(cast.owner_viewer, reverse("supply:offer", args=[offer.pk]))
    assert ("Not in the market:" in shown) == bool(missing)
    assert said in shown
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=now)
    assert client.get(f"/api/v1/offers/{offer.pk}").json()["waits_for"] is None


def test_site_and_fleet_are_changed_on_their_pages(
    cast: Cast, site: Site, fleet: Fleet, now: datetime
) -> None:
    client = signed_in(cast.owner_trader)
    power = reverse("supply:power_cap", args=[site.pk])
    cards = reverse("supply:resize_fleet", args=[fleet.pk])
    assert client.post(power, {"power_cap_kw": "512.5"})["Location"] == reverse("supply:site", args=[site.pk])
    assert client.post(cards, {"cards": "72"}).status_code == 302
    fleet.refresh_from_db()
    assert fleet.cards == 72
    shown = page(cast.owner_viewer, reverse("supply:site", args=[site.pk]))
    assert "512.5 kW" in shown
    assert 'value="512.5"' in page(cast.owner_trader, power)
    refused = client.post(cards, {"cards": "7"})
    assert refused.status_code == 422
    assert "A node has 8 cards" in refused.content.decode()
    assert client.post(power, {"power_cap_kw": ""}).status_code == 302
    site.refresh_from_db()
    assert site.power_cap_kw is None


def test_site_and_fleet_are_changed_over_the_api(
    cast: Cast, client: Client, site: Site, fleet: Fleet, now: datetime
) -> None:
    client.force_login(cast.owner_trader)

    def patch(address: str, body: dict[str, object]) -> Any:
        return client.patch(f"/api/v1/{address}", body, content_type="application/json")

    assert patch(f"sites/{site.pk}", {"power_cap_kw": "512.5"}).json()["power_cap_kw"] == "512.500"
    assert patch(f"sites/{site.pk}", {"power_cap_kw": None}).json()["power_cap_kw"] is None
    assert patch(f"sites/{site.pk}", {}).status_code == 422
    changed = patch(f"fleets/{fleet.pk}", {"cards": 72}).json()
    assert (changed["cards"], changed["cards_since"]) == (72, "2026-03-02T08:00:00Z")
    wrong = patch(f"fleets/{fleet.pk}", {"cards": 7})
    assert [error["field"] for error in wrong.json()["errors"]] == ["cards"]
