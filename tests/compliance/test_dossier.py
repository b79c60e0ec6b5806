"""The dossier of a site: a page, a PDF and a document for programs that say the same."""

from __future__ import annotations

import io

import pytest
from django.test import Client
from pypdf import PdfReader

from marketplace.audit.utilisation.models import FleetMonth
from marketplace.clock import MarketClock
from tests.billing.builders import make_delivery
from tests.cast import Cast
from tests.compliance.scenes import A_DAY, MIDNIGHT, NOW, added_up, confirmed, days, make_policy
from tests.factories import make_fleet, make_site
from tests.pages_trade.scenes import queries_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> str:
    """A site below its threshold, with a sham among its agreements."""
    monkeypatch.setattr(MarketClock, "now", lambda _clock: NOW)
    fleet = make_fleet(make_site(cast.owner), cards=128)
    added_up()
    days(fleet, *[50] * 10, *[0] * 3)
    FleetMonth.objects.create(
        fleet=fleet, starts_at=MIDNIGHT.replace(day=1), installed=3_600 * 1_000, active=3_600 * 250
    )
    make_policy()
    confirmed(
        make_delivery(
            owner=cast.owner,
            buyer=cast.buyer,
            fleet=fleet,
            cards=8,
            prices=["10"] * 2,
            start=MIDNIGHT - A_DAY,
        ).agreement
    )
    return f"/audit/sites/{fleet.site_id}/dossier"


def test_page_pdf_and_document_say_the_same(cast: Cast, client: Client, address: str) -> None:
    client.force_login(cast.auditor)
    page = client.get(f"{address}/").content.decode().replace("\u202f", " ")
    pdf = PdfReader(io.BytesIO(client.get(f"{address}.pdf").content))
    printed = " ".join("".join(each.extract_text() for each in pdf.pages).split()).replace("\u202f", " ")
    facts = client.get(f"/api/v1{address}").json()

    for said in ("to be cured before 7 Mar", "35 %", "Morning Light AI", "self_dealing"):
        assert said in page
        assert said in printed
    policy = facts["policies"][0]
    assert (policy["policy"], policy["status"], policy["cure_until"]) == (
        "p-utilisation",
        "curing",
        "2026-03-07",
    )
    assert policy["least"].startswith("0.35")
    assert facts["months"][0]["card_hours"]["active"] == "250"
    assert facts["agreements"][0]["under_confirmed_finding"] is True
    assert facts["findings"][0]["state"] == "confirmed"


def test_the_same_facts_print_the_same_bytes(cast: Cast, client: Client, address: str) -> None:
    client.force_login(cast.auditor)
    assert client.get(f"{address}.pdf").content == client.get(f"{address}.pdf").content


def test_an_owner_sees_its_own_and_who_is_no_administrator_sees_no_findings(
    cast: Cast, client: Client, address: str
) -> None:
    client.force_login(cast.owner_viewer)
    assert "self_dealing" not in client.get(f"{address}/").content.decode()
    client.force_login(cast.stranger)
    assert client.get(f"{address}/").status_code == 404


def test_it_takes_as_many_queries_for_many_agreements_as_for_one(cast: Cast, address: str) -> None:
    once = queries_of(cast.auditor, f"{address}/")
    fleet = make_fleet(make_site(cast.owner), cards=128)
    for _ in range(3):
        make_delivery(owner=cast.owner, buyer=cast.buyer, fleet=fleet, cards=8, prices=["10"], start=MIDNIGHT)
    assert queries_of(cast.auditor, f"/audit/sites/{fleet.site_id}/dossier/") <= once + 2
