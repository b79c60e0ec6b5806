"""The API of supply: shapes, who may what, and that lists cost the same whatever their length."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope
from marketplace.supply.models import Fleet, Offer, Site
from tests.cast import Cast, bearer
from tests.factories import HOUR, START, make_fleet, make_model, make_offer, make_region, make_site
from tests.supply.sales import sell

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.supply.urls")]

NEW_OFFER = {
    "cards": 8,
    "starts_at": START.isoformat(),
    "ends_at": (START + 2 * HOUR).isoformat(),
    "asks": ["9.5"],
}


@pytest.fixture
def fleet(cast: Cast) -> Fleet:
    return make_fleet(make_site(cast.owner), cards=64)


def post(client: Client, path: str, body: Any = None, key: str = "k1", **headers: str) -> Any:
    return client.post(
        path, body, content_type="application/json", headers={"Idempotency-Key": key} | headers
    )


def test_an_owner_lists_its_surplus_with_a_token(cast: Cast, client: Client, now: datetime) -> None:
    make_region()
    make_model()
    by_token = bearer(cast.token(cast.owner, Scope.TRADE))
    site = post(
        client,
        "/api/v1/sites",
        {
            "name_en": "Wuhu 1",
            "name_zh": "芜湖一号",
            "region": "cn-wuhu",
            "pue": "1.15",
            "renewable_share": "0.4",
            "bandwidth_mbps": 40000,
        },
        **by_token,
    )
    assert (site.status_code, site.headers["Location"]) == (201, f"/api/v1/sites/{site.json()['id']}")
    assert site.json()["currency"] == "CNY"
    fleet = post(
        client,
        "/api/v1/fleets",
        {
            "site": site.json()["id"],
            "model": "h800",
            "cards": 64,
            "node_size": 8,
            "interconnect": "NVLink",
            "installed_at": "2025-01-01T00:00:00Z",
        },
        "k2",
        **by_token,
    ).json()
    assert fleet["stack"] == "cuda-12"
    offer = post(client, "/api/v1/offers", NEW_OFFER | {"fleet": fleet["id"]}, "k3", **by_token)
    assert offer.json() | {"id": 0, "entered_at": ""} == {
        "id": 0,
        "fleet": fleet["id"],
        "site": site.json()["id"],
        "model": "h800",
        "cards": 8,
        "starts_at": "2026-03-02T09:00:00Z",
        "ends_at": "2026-03-02T11:00:00Z",
        "asks": ["9.500000"],
        "currency": "CNY",
        "lot": 1,
        "minimum_hours": 1,
        "notice_minutes": 0,
        "reserved_for": None,
        "np_per_card": None,
        "state": "open",
        "waits_for": "fx_rate",
        "entered_at": "",
        "withdrawn_at": None,
        "card_hours": 16,
        "card_hours_sold": 0,
    }


def test_a_repeated_post_lists_once(cast: Cast, client: Client, fleet: Fleet, now: datetime) -> None:
    by_token = bearer(cast.token(cast.owner, Scope.TRADE))
    answers = [
        post(client, "/api/v1/offers", NEW_OFFER | {"fleet": fleet.pk}, **by_token).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert Offer.objects.count() == 1


def test_a_refusal_names_the_field(cast: Cast, client: Client, fleet: Fleet, now: datetime) -> None:
    client.force_login(cast.owner_trader)
    answer = post(client, "/api/v1/offers", NEW_OFFER | {"fleet": fleet.pk, "cards": 65})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["cards"]
    nothing = client.patch(f"/api/v1/offers/{make_offer(fleet).pk}", {}, content_type="application/json")
    assert nothing.status_code == 422


def test_asks_change_and_the_rest_is_withdrawn(
    cast: Cast, client: Client, fleet: Fleet, now: datetime
) -> None:
    client.force_login(cast.owner_trader)
    address = f"/api/v1/offers/{make_offer(fleet, hours=2).pk}"
    changed = client.patch(address, {"asks": ["7", "8"]}, content_type="application/json")
    assert changed.json()["asks"] == ["7.000000", "8.000000"]
    book = client.get(f"{address}/book").json()["hours"]
    assert [(line["ask"], line["free"]) for line in book] == [("7.000000", 8), ("8.000000", 8)]
    assert post(client, f"{address}/withdraw").json()["state"] == "withdrawn"
    assert datetime.fromisoformat(client.get(address).json()["withdrawn_at"]) == now
    assert client.patch(address, {"cards": 1}, content_type="application/json").status_code == 409


def test_owner_colleague_and_stranger(cast: Cast, client: Client, fleet: Fleet, now: datetime) -> None:
    offer = make_offer(fleet)
    pages = [f"/api/v1/sites/{fleet.site_id}", f"/api/v1/fleets/{fleet.pk}", f"/api/v1/offers/{offer.pk}"]
    expected = {
        cast.owner_trader: (200, 200, 201),
        cast.owner_viewer: (200, 403, 403),
        cast.auditor: (200, 403, 403),
        cast.buyer_admin: (404, 404, 422),
        cast.stranger: (404, 404, 422),
    }
    for user, (reading, writing, creating) in expected.items():
        client.force_login(user)
        assert {client.get(page).status_code for page in [*pages, f"{pages[2]}/book"]} == {reading}, user
        change = client.patch(pages[2], {"asks": ["1"]}, content_type="application/json")
        assert change.status_code == writing, user
        created = post(client, "/api/v1/offers", NEW_OFFER | {"fleet": fleet.pk}, key=str(user.pk))
        assert created.status_code == creating, user
        assert len(client.get("/api/v1/offers").json()["results"]) == (reading == 200) * Offer.objects.count()
    client.force_login(cast.stranger)
    assert post(client, f"{pages[2]}/withdraw").status_code == 404
    client.force_login(cast.owner_viewer)
    assert post(client, f"{pages[2]}/withdraw").status_code == 403


def test_nobody_reads_without_a_token_and_an_agent_reads_no_offers(
    cast: Cast, client: Client, fleet: Fleet
) -> None:
    make_offer(fleet)
    assert client.get("/api/v1/offers").status_code == 401
    agent = bearer(cast.token(cast.owner, Scope.AGENT))
    assert client.get("/api/v1/offers", headers=agent).json()["results"] == []


def test_lists_are_filtered_and_refuse_what_makes_no_sense(cast: Cast, client: Client, fleet: Fleet) -> None:
    client.force_login(cast.owner_viewer)
    offer = make_offer(fleet)
    make_offer(make_fleet(fleet.site))
    assert [o["id"] for o in client.get(f"/api/v1/offers?fleet={fleet.pk}").json()["results"]] == [offer.pk]
    assert client.get("/api/v1/offers?state=withdrawn").json()["results"] == []
    assert len(client.get(f"/api/v1/fleets?site={fleet.site_id}").json()["results"]) == 2
    for query in ("offers?state=x", "offers?fleet=x", f"offers?fleet={2**70}", "fleets?site=-1"):
        assert client.get(f"/api/v1/{query}").status_code == 422, query


def test_a_list_costs_the_same_whatever_its_length(
    cast: Cast, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    by_token = bearer(cast.token(cast.owner, Scope.READ))
    for number in range(3):
        fleet = make_fleet(make_site(cast.owner, make_region(f"region-{number}")))
        sell(make_offer(fleet), cards=4, start=START, hours=2)
        for address, queries in (("sites", 2), ("fleets", 2), ("offers", 4)):
            with django_assert_num_queries(queries):
                found = client.get(f"/api/v1/{address}", headers=by_token).json()["results"]
            assert len(found) == number + 1
    assert [offer["card_hours_sold"] for offer in found] == [8, 8, 8]
    assert Site.objects.count() == 3


@pytest.mark.parametrize("field", ["model", "stack"])
def test_a_name_that_is_no_text_is_refused(
    cast: Cast, client: Client, fleet: Fleet, now: datetime, field: str
) -> None:
    client.force_login(cast.owner_trader)
    body = {
        "site": fleet.site_id,
        "model": fleet.model.slug,
        "cards": 8,
        "node_size": 8,
        "interconnect": "PCIe",
        "installed_at": now.isoformat(),
    }
    assert post(client, "/api/v1/fleets", body).status_code == 201
    answer = post(client, "/api/v1/fleets", body | {field: "h800\0"}, key="k2")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
