"""The API of demand: shapes, who may what, and that lists cost the same whatever their length."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope
from marketplace.demand.models import ComputeRequest
from tests.cast import Cast, bearer
from tests.factories import HOUR, START, make_model, make_region, make_request, make_stack

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.demand.urls")]

ALTERNATIVE = {
    "unit": "cards",
    "amount": "8",
    "limit": "12",
    "workload": "training",
    "accelerator_models": ["h800"],
    "earliest_start": START.isoformat(),
    "hours": 4,
    "deadline": (START + 24 * HOUR).isoformat(),
}
REQUEST = {"title": "A run", "currency": "CNY", "alternatives": [ALTERNATIVE]}


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_region()


def post(client: Client, path: str, body: Any = None, key: str = "k1", **headers: str) -> Any:
    return client.post(
        path, body, content_type="application/json", headers={"Idempotency-Key": key} | headers
    )


def test_a_buyer_enters_a_request_once_however_often_it_is_sent(
    cast: Cast, client: Client, now: datetime
) -> None:
    by_token = bearer(cast.token(cast.buyer, Scope.TRADE))
    answers = [post(client, "/api/v1/requests", REQUEST, **by_token) for _ in range(2)]
    assert answers[0].content == answers[1].content
    request = answers[0].json()
    assert (answers[0].status_code, answers[0].headers["Location"]) == (
        201,
        f"/api/v1/requests/{request['id']}",
    )
    assert ComputeRequest.objects.count() == 1
    assert request["organisation"] == cast.buyer.pk
    assert request["state"] == "open"
    assert request["alternatives"] == [
        {
            "position": 0,
            "unit": "cards",
            "amount": "8.000000",
            "limit": "12.000000",
            "budget": None,
            "workload": "training",
            "accelerator_models": ["h800"],
            "stacks": [],
            "careful": False,
            "gangs": 0,
            "divisible": False,
            "interruptible": False,
            "precision": "",
            "memory_gb": None,
            "earliest_start": "2026-03-02T09:00:00Z",
            "hours": 4,
            "deadline": "2026-03-03T09:00:00Z",
            "near": None,
            "round_trip_ms": None,
            "bandwidth_mbps": None,
            "jurisdictions": [],
            "renewable_share": None,
            "carbon": None,
            "verification": None,
            "notice_minutes": None,
        }
    ]
    assert client.get(f"/api/v1/requests/{request['id']}", headers=by_token).json() == request


def test_a_refusal_points_at_the_alternative(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_trader)
    for wrong in ({"hours": 900}, {"hours": "many"}):
        answer = post(client, "/api/v1/requests", REQUEST | {"alternatives": [ALTERNATIVE | wrong]})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/alternatives/0/hours"]


def test_null_means_no_constraint(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_trader)
    nothing = {"near": None, "round_trip_ms": None, "carbon": None, "budget": None, "precision": ""}
    answer = post(client, "/api/v1/requests", REQUEST | {"alternatives": [ALTERNATIVE | nothing]})
    assert answer.status_code == 201


def test_buyer_colleague_and_stranger(cast: Cast, client: Client, now: datetime) -> None:
    request = make_request(cast.buyer)
    address = f"/api/v1/requests/{request.pk}"
    expected = {
        cast.buyer_viewer: (200, 403, 403),
        cast.auditor: (200, 403, 403),
        cast.stranger: (404, 404, 422),
        cast.owner_admin: (404, 404, 422),
        cast.buyer_trader: (200, 200, 201),
    }
    for user, (reading, withdrawing, creating) in expected.items():
        client.force_login(user)
        assert client.get(address).status_code == reading, user
        assert post(client, f"{address}/withdraw").status_code == withdrawing, user
        for_the_buyer = REQUEST | {"organisation": cast.buyer.pk}
        created = post(client, "/api/v1/requests", for_the_buyer, key=str(user.pk))
        assert created.status_code == creating, user
    assert client.get(address).json()["state"] == "withdrawn"


def test_a_closed_request_is_not_withdrawn(cast: Cast, client: Client) -> None:
    client.force_login(cast.buyer_trader)
    request = make_request(cast.buyer, state="expired")
    answer = post(client, f"/api/v1/requests/{request.pk}/withdraw")
    assert (answer.status_code, answer.json()["code"]) == (409, "request_not_open")


def test_a_list_costs_the_same_whatever_its_length(
    cast: Cast, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    by_token = bearer(cast.token(cast.buyer, Scope.READ))
    for number in range(3):
        request = make_request(cast.buyer, alternatives=[{"near": make_region(), "round_trip_ms": 5}, {}])
        for alternative in request.alternatives.all():
            alternative.accelerator_models.add(make_model())
            alternative.stacks.add(make_stack())
        with django_assert_num_queries(6):
            found = client.get("/api/v1/requests", headers=by_token).json()["results"]
        assert len(found) == number + 1
    assert client.get("/api/v1/requests?state=matched", headers=by_token).json()["results"] == []
    assert client.get("/api/v1/requests?state=lost", headers=by_token).status_code == 422
