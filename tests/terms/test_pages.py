"""Pages of term agreements: proposed, concluded, amended, called off, and what its months came to."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.rating.disputes import NothingToDispute, open_dispute
from billing.rating.models import Charge
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.sheet import Tier
from tests.cast import Cast
from tests.factories import make_fleet, make_model, make_profile_version, make_region, make_site
from tests.terms.months import AFTER_ONE, called_off, deliver, settle_at, short_months
from tests.terms.scenes import agreement_of, concluded, proposed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]
SHEET = {
    "quantity": "100",
    "price_per_unit": "10",
    "take_or_pay": "80",
    "overage": "110: 12, 150 %: 15.5",
    "make_up_months": "2",
    "carry_forward_months": "1",
}


def test_a_buyer_proposes_and_an_owner_accepts(cast: Cast, client: Client) -> None:
    make_profile_version()
    client.force_login(cast.buyer_trader)
    page = client.get(reverse("agreements:propose_term"))
    assert page.status_code == 200
    given = SHEET | {
        "counterparty": cast.owner.name_en,
        "model": make_model().pk,
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": "2026-04-01T00:00",
        "months": "3",
    }
    refused = client.post(reverse("agreements:propose_term"), given | {"counterparty": "Nobody"})
    assert refused.status_code == 422
    assert client.post(reverse("agreements:propose_term"), given).status_code == 302
    term = TermAgreement.objects.get()
    sheet = term.versions.get().sheet
    assert sheet.tiers == (Tier(1_100_000, 12_000_000), Tier(1_500_000, 15_500_000))
    address = reverse("agreements:term", args=[term.pk])
    assert b"Withdraw" in client.get(address).content
    client.force_login(cast.owner_trader)
    assert b"Decline" in client.get(address).content
    assert client.post(reverse("agreements:accept_term", args=[term.pk, 1])).status_code == 302
    shown = client.get(address).content.decode()
    assert "100 card-h" in shown.replace("\xa0", " ")
    assert "Reserve cards" in shown
    assert "NVIDIA H800" in shown
    assert str(term) in client.get(reverse("agreements:terms")).content.decode()


def test_an_amendment_is_proposed_and_declined(cast: Cast, client: Client) -> None:
    term = concluded(cast)
    client.force_login(cast.owner_trader)
    address = reverse("agreements:amend_term", args=[term.pk])
    assert 'value="110: 12"' in client.get(address).content.decode()
    assert client.post(address, SHEET | {"quantity": "200", "from_month": "1"}).status_code == 302
    assert term.versions.get(number=2).sheet.price == 10_000_000
    client.force_login(cast.buyer_trader)
    assert client.post(reverse("agreements:refuse_term", args=[term.pk, 2])).status_code == 302
    assert term.versions.get(number=2).state == TermVersion.State.DECLINED


def test_requests_and_offers_name_an_agreement_where_there_is_one(cast: Cast, client: Client) -> None:
    make_region()
    make_model()
    client.force_login(cast.buyer_trader)
    assert b'name="under"' not in client.get(reverse("demand:create")).content
    term = concluded(cast)
    assert b'name="under"' in client.get(reverse("demand:create")).content
    request = {
        "title": "A run",
        "currency": "CNY",
        "least_share": "100",
        "under": term.pk,
        "alternatives": "1",
        "alternatives-0-amount": "4",
        "alternatives-0-unit": "cards",
        "alternatives-0-workload": "training",
        "alternatives-0-hours": "2",
        "alternatives-0-earliest_start": "2026-04-01T00:00",
        "alternatives-0-deadline": "2026-04-02T00:00",
        "alternatives-0-together": "anywhere",
    }
    assert b"The agreed price" in client.post(reverse("clearing:quote"), request).content
    assert client.post(reverse("demand:create"), request).status_code == 302
    assert ComputeRequest.objects.get().under == term
    fleet = make_fleet(make_site(cast.owner), cards=8)
    client.force_login(cast.owner_trader)
    offer: dict[str, Any] = {
        "fleet": fleet.pk,
        "cards": "8",
        "starts_at": "2026-04-01T00:00",
        "ends_at": "2026-04-02T00:00",
        "lot": "1",
        "minimum_hours": "1",
        "notice_minutes": "0",
        "day_begins": "8",
        "day_ends": "22",
    }
    assert client.post(reverse("supply:new_offer"), offer).status_code == 422
    assert client.post(reverse("supply:new_offer"), offer | {"reserved_for": term.pk}).status_code == 302
    assert Offer.objects.get().reserved_for == term


def test_its_months_and_charges_are_shown(cast: Cast, client: Client, settings: Any) -> None:
    term = short_months(cast, settings)
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    run = settle_at(AFTER_ONE)
    assert run is not None
    client.force_login(cast.buyer_finance)
    page = client.get(reverse("billing:term_months", args=[term.pk])).content.decode()
    assert "Shortfall" in page
    assert "21.60" in page
    charge = Charge.objects.get(kind="shortfall")
    for address in (
        reverse("billing:charge", args=[charge.pk]),
        reverse("billing:rating_run", args=[run.pk]),
        reverse("billing:usage"),
        reverse("agreements:list"),
        reverse("home"),
    ):
        assert client.get(address).status_code == 200, address
    page = client.get(reverse("billing:charge", args=[charge.pk])).content.decode()
    assert f"a month of term agreement {term}" in page
    assert "Readings that it counted" not in page
    moved = client.get(reverse("agreements:agreement", args=[agreement_of(term).pk]))
    assert moved.headers["Location"] == reverse("agreements:term", args=[term.pk])
    term_page = client.get(reverse("agreements:term", args=[term.pk])).content.decode()
    assert "Called off" in term_page


def test_a_month_is_not_disputed_but_the_usage_that_it_follows_from(
    cast: Cast, client: Client, settings: Any
) -> None:
    term = short_months(cast, settings)
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    settle_at(AFTER_ONE)
    month = Charge.objects.get(kind="shortfall")
    usage = Charge.objects.filter(kind="usage").earliest("pk")
    client.force_login(cast.buyer_trader)
    offered = "Dispute this charge"
    assert offered in client.get(reverse("billing:charge", args=[usage.pk])).content.decode()
    assert offered not in client.get(reverse("billing:charge", args=[month.pk])).content.decode()
    with pytest.raises(NothingToDispute, match="follows from the usage"):
        open_dispute(
            viewer=cast.viewer_of(cast.buyer_trader),
            agreement=agreement_of(term),
            charge=month,
            reason="I was ill.",
            now=AFTER_ONE,
        )


def test_pages_in_chinese(cast: Cast, client: Client) -> None:
    client.force_login(cast.buyer_trader)
    term = proposed(cast)
    for address in (reverse("agreements:term", args=[term.pk]), reverse("agreements:terms")):
        assert client.get(address, headers={"Accept-Language": "zh-hans"}).status_code == 200
