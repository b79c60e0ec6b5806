"""Both sides see their agreements and deliveries; nobody else does."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.delivery.models import DeliveryTransition
from tests.cast import Cast
from tests.factories import make_fleet, make_site
from tests.pages_trade.scenes import (
    HOUR,
    START,
    billed,
    make_delivery,
    page,
    queries_of,
    rows_of_csv,
    status,
)

pytestmark = pytest.mark.django_db
PAGES = ["agreements:agreement", "delivery:delivery", "billing:agreement_usage"]


def test_lists_show_both_sides_and_nothing_to_a_stranger(cast: Cast, now: datetime) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    for name, shown in (("agreements:list", delivery.agreement), ("delivery:list", delivery)):
        for user in (cast.owner_viewer, cast.buyer_viewer, cast.auditor):
            assert f">{shown}</a>" in page(user, reverse(name))
        assert f">{shown}</a>" not in page(cast.stranger, reverse(name))


@pytest.mark.parametrize("name", PAGES)
def test_each_party_opens_it_and_a_stranger_finds_nothing(cast: Cast, now: datetime, name: str) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    address = reverse(name, args=[delivery.pk if name == "delivery:delivery" else delivery.agreement.pk])
    for user in (cast.owner_viewer, cast.buyer_viewer, cast.auditor, cast.operator):
        assert status(user, address) == 200
    assert status(cast.stranger, address) == 404
    assert status(None, address) == 302


def test_each_side_is_led_to_what_it_may_see(cast: Cast, now: datetime) -> None:
    agreement = make_delivery(owner=cast.owner, buyer=cast.buyer).agreement
    address = reverse("agreements:agreement", args=[agreement.pk])
    request = reverse("demand:request", args=[agreement.allocation.request_id])
    offer = reverse("supply:offer", args=[agreement.allocation.offer_id])
    run = reverse("clearing:run", args=[agreement.allocation.run_id])
    buyer, owner = page(cast.buyer_viewer, address), page(cast.owner_viewer, address)
    assert (request in buyer, offer in buyer, run in buyer) == (True, False, True)
    assert (request in owner, offer in owner, run in owner) == (False, True, True)


def test_totals_and_csv_are_those_of_what_is_shown(cast: Cast, now: datetime) -> None:
    first = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "20"]).agreement
    make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"], start=START + 48 * HOUR)
    make_delivery(owner=cast.other_owner, buyer=cast.buyer, prices=["1"])
    everything = page(cast.buyer_viewer, reverse("agreements:list"))
    assert "¥328.00" in everything
    address = f"{reverse('agreements:list')}?offer={first.allocation.offer_id}"
    (row,) = rows_of_csv(cast.buyer_viewer, address)
    assert (row["Agreement"], row["Committed, card-h"], row["Value"]) == (str(first.pk), "16", "240")
    assert row["Price per card-h"] == "15"
    assert len(rows_of_csv(cast.owner_viewer, reverse("agreements:list"))) == 2
    assert len(rows_of_csv(cast.owner_viewer, reverse("agreements:list") + "?side=bought")) == 0
    assert len(rows_of_csv(cast.owner_viewer, reverse("agreements:list") + "?time=ahead")) == 2


def test_a_delivery_shows_its_steps_with_their_reports(cast: Cast, now: datetime) -> None:
    before = {"state": "scheduled", "active_from": None, "acceptance": None}
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, **before)
    shown = page(cast.buyer_viewer, reverse("delivery:delivery", args=[delivery.pk]))
    assert "Not reported." in shown
    assert "Provisioning" in shown
    delivery.state, delivery.failure = "failed", "A node did not come up."
    delivery.save()
    DeliveryTransition.objects.create(
        delivery=delivery,
        from_state="scheduled",
        to_state="failed",
        at=START,
        report={"reason": "A node did not come up.", "node": "<n7>"},
    )
    shown = page(cast.owner_viewer, reverse("delivery:delivery", args=[delivery.pk]))
    assert "A node did not come up." in shown
    assert "&lt;n7&gt;" in shown
    assert "the exchange" in shown


def test_both_sides_read_what_was_suspended_ended_and_bought_again(
    cast: Cast, client: Client, now: datetime
) -> None:
    """The owner takes cards away, and ends it; what is left becomes the buyer's request."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=START + HOUR)
    address = reverse("delivery:delivery", args=[delivery.pk])
    client.force_login(cast.owner_trader)
    client.post(reverse("delivery:suspend", args=[delivery.pk]), {"reason": "A pump broke"})
    shown = page(cast.buyer_viewer, address)
    assert "Suspended: the cards were taken away for a time" in shown
    assert "A pump broke" in shown
    assert reverse("delivery:give_back", args=[delivery.pk]) not in shown
    client.post(reverse("delivery:give_back", args=[delivery.pk]))
    assert "The cards are there again, and are tested" in page(cast.owner_viewer, address)
    assert client.post(reverse("delivery:evict", args=[delivery.pk]), {"reason": ""}).status_code == 422
    client.post(reverse("delivery:evict", args=[delivery.pk]), {"reason": "It will not come back"})
    delivery.refresh_from_db()
    request = reverse("demand:request", args=[delivery.replacement.request_id])
    for of_buyer in (address, reverse("agreements:agreement", args=[delivery.agreement_id])):
        assert request in page(cast.buyer_viewer, of_buyer)
        assert request not in page(cast.owner_viewer, of_buyer)
        assert "It will not come back" in page(cast.owner_viewer, of_buyer)
    assert "The owner’s" in page(cast.operator, address)


def test_the_deliveries_are_filtered_and_downloaded(cast: Cast, now: datetime) -> None:
    active = make_delivery(owner=cast.owner, buyer=cast.buyer)
    elsewhere = make_fleet(make_site(cast.owner), cards=8)
    make_delivery(owner=cast.owner, buyer=cast.buyer, fleet=elsewhere, state="failed", failure="power")
    (row,) = rows_of_csv(cast.owner_viewer, reverse("delivery:list") + "?state=active")
    assert (row["Delivery"], row["State"]) == (str(active.pk), "active")
    assert len(rows_of_csv(cast.owner_viewer, f"{reverse('delivery:list')}?site={active.site_id}")) == 1


def test_the_usage_of_an_agreement_adds_up(cast: Cast, now: datetime) -> None:
    scene = billed(cast, hours=3)
    shown = page(cast.buyer_viewer, reverse("billing:agreement_usage", args=[scene.agreement.pk]))
    text = shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "<strong>24 card-h</strong> of 24 card-h" in text
    assert "charged with ¥240.00" in text
    assert reverse("billing:charge", args=[scene.charge.pk]) in shown


def test_lines_on_documents_are_for_finance(cast: Cast, now: datetime) -> None:
    scene = billed(cast)
    address = reverse("billing:agreement_usage", args=[scene.agreement.pk])
    assert scene.invoice.number in page(cast.buyer_finance, address)
    assert scene.statement.number not in page(cast.buyer_finance, address)
    assert scene.invoice.number not in page(cast.buyer_viewer, address)


@pytest.mark.parametrize("name", ["agreements:list", "delivery:list", *PAGES])
def test_queries_do_not_grow_with_the_data(cast: Cast, now: datetime, name: str) -> None:
    few_hours = billed(cast, hours=2).delivery
    long = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"] * 30, start=START + 240 * HOUR)
    args = {"agreements:list": ([], []), "delivery:list": ([], [])}.get(
        name,
        ([few_hours.pk], [long.pk])
        if name == "delivery:delivery"
        else ([few_hours.agreement.pk], [long.agreement.pk]),
    )
    few = queries_of(cast.buyer_finance, reverse(name, args=args[0]))
    for number in range(4):
        make_delivery(owner=cast.owner, buyer=cast.buyer, start=START + number * 24 * HOUR)
    assert queries_of(cast.buyer_finance, reverse(name, args=args[1])) == few
