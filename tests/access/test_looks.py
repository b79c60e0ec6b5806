"""Every look of an auditor at somebody's data is written down once, and seen by whom it was about."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import AuditEvent
from marketplace.audit.access.looks import LOOKED
from tests.cast import Cast
from tests.delivery.agreements import make_agreement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


@pytest.fixture(autouse=True)
def _nobody_looked_before() -> None:
    cache.clear()


def looks() -> list[tuple[str, int | None, str]]:
    rows = AuditEvent.objects.filter(action=LOOKED).order_by("pk")
    return [(f"{row.object_type} {row.object_id}", row.organisation_id, row.data["path"]) for row in rows]


def test_both_parties_of_an_agreement_are_told_who_read_it(cast: Cast, client: Client, now: datetime) -> None:
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer)
    address = f"/agreements/{agreement.pk}/"
    client.force_login(cast.auditor)
    client.get(address)
    assert looks() == [
        (f"agreements.agreement {agreement.pk}", cast.owner.pk, address),
        (f"agreements.agreement {agreement.pk}", cast.buyer.pk, address),
    ]
    assert set(AuditEvent.objects.filter(action=LOOKED).values_list("user", "occurred_at")) == {
        (cast.auditor.pk, now)
    }
    for person in (cast.owner_viewer, cast.buyer_viewer):
        client.force_login(person)
        assert address in client.get("/looks/").content.decode()
    client.force_login(cast.stranger)
    assert address not in client.get("/looks/").content.decode()


def test_a_page_that_asks_again_by_itself_leaves_one_event(cast: Cast, client: Client) -> None:
    address = f"/agreements/{make_agreement(owner=cast.owner, buyer=cast.buyer).pk}/"
    client.force_login(cast.auditor)
    for _ in range(3):
        client.get(address)
        client.get(address, headers={"HX-Request": "true"})
    assert len(looks()) == 2
    client.get(f"{address}?another=question")
    assert len(looks()) == 4


def test_a_list_is_a_look_at_everybody_and_so_is_the_api(cast: Cast, client: Client) -> None:
    client.force_login(cast.auditor)
    client.get("/agreements/")
    client.get("/api/v1/agreements")
    assert [(organisation, path) for _, organisation, path in looks()] == [
        (None, "/agreements/"),
        (None, "/api/v1/agreements"),
    ]
    client.force_login(cast.buyer_viewer)
    assert "/api/v1/agreements" in client.get("/looks/").content.decode()


def test_public_pages_refusals_and_other_peoples_reading_are_no_looks(cast: Cast, client: Client) -> None:
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer)
    client.force_login(cast.auditor)
    for address in ("/market/", "/catalogue/", "/agreements/999999/", "/healthz"):
        client.get(address)
    client.force_login(cast.owner_admin)
    client.get(f"/agreements/{agreement.pk}/")
    assert looks() == []


def test_a_look_that_cannot_be_written_down_is_not_granted(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer)

    def fails(**facts: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("accounts.audit.record", fails)
    client.force_login(cast.auditor)
    client.raise_request_exception = False
    answer = client.get(f"/agreements/{agreement.pk}/")
    assert answer.status_code == 500
    assert "Morning Light" not in answer.content.decode()
