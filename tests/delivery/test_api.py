"""The agent's API and that of the two parties."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope
from marketplace.delivery.models import Delivery, DeliveryTransition, OrganisationKey
from tests.cast import Cast, bearer
from tests.delivery.agreements import make_agreement, make_delivery
from tests.factories import HOUR, START

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.delivery.urls")]

POLL = "/api/v1/agent/deliveries"
PROVISIONING = {"to": "provisioning", "at": "2026-03-02T08:20:00Z", "report": {"host": "n1"}}


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


@pytest.fixture
def agent(cast: Cast) -> dict[str, str]:
    return bearer(cast.token(cast.owner, Scope.AGENT))


def post(client: Client, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers or {})


def test_an_agent_learns_the_time_and_what_is_due(
    cast: Cast, client: Client, agent: dict[str, str], now: datetime
) -> None:
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer)
    make_agreement(owner=cast.owner, buyer=cast.buyer, start=START + HOUR)
    make_agreement(owner=cast.other_owner, buyer=cast.buyer)
    page = client.get(POLL, headers=agent).json()
    assert (page["market_time"], page["clock_speed"], page["next"]) == ("2026-03-02T08:20:00Z", 1, None)
    delivery = agreement.delivery
    assert page["results"] == [
        {
            "id": delivery.pk,
            "agreement": agreement.pk,
            "buyer": cast.buyer.pk,
            "site": delivery.site_id,
            "fleet": agreement.allocation.offer.fleet_id,
            "state": "scheduled",
            "state_since": None,
            "starts_at": "2026-03-02T09:00:00Z",
            "ends_at": "2026-03-02T11:00:00Z",
            "active_from": None,
            "active_until": None,
            "suspensions": [],
            "held": False,
            "retries_left": 2,
            "access_key": OrganisationKey.objects.get().public_key,
            "access_given": False,
            "cards": 8,
            "model": "h800",
            "memory_gb": "80.00",
            "tdp_w": 700,
            "stack": "cuda-12",
        }
    ]
    assert Delivery.objects.count() == 3
    later = client.get(f"{POLL}?due_before=2026-03-02T10:00:00Z", headers=agent).json()
    assert len(later["results"]) == 2
    assert client.get(f"{POLL}?state=active", headers=agent).json()["results"] == []
    assert client.get(f"{POLL}?due_before=soon", headers=agent).status_code == 422


def test_an_agent_asks_what_became_of_a_delivery(
    cast: Cast, client: Client, agent: dict[str, str], delivery: Delivery, now: datetime
) -> None:
    Delivery.objects.update(state="failed", failure="fire")
    shown = client.get(f"{POLL}/{delivery.pk}", headers=agent).json()
    assert (shown["id"], shown["state"], shown["active_from"]) == (delivery.pk, "failed", None)
    other = bearer(cast.token(cast.other_owner, Scope.AGENT))
    assert client.get(f"{POLL}/{delivery.pk}", headers=other).status_code == 404


def test_what_is_over_is_not_due(
    cast: Cast, client: Client, agent: dict[str, str], delivery: Delivery, now: datetime
) -> None:
    def over(since: str) -> list[int]:
        page = client.get(POLL, {"over_since": since}, headers=agent).json()
        return [row["id"] for row in page["results"]]

    Delivery.objects.update(state="failed", failure="fire")
    assert client.get(POLL, headers=agent).json()["results"] == []
    assert over("2026-03-02T11:00:00Z") == []
    Delivery.objects.update(active_from=START, active_until=START)
    assert over("2026-03-02T11:00:00Z") == [delivery.pk]
    assert over("2026-03-02T11:00:01Z") == []


def test_the_clock_is_public(client: Client, now: datetime) -> None:
    clock = client.get("/api/v1/clock").json()
    assert clock == {"market_time": "2026-03-02T08:20:00Z", "clock_speed": 1}


def test_only_an_agent_polls(cast: Cast, client: Client, delivery: Delivery) -> None:
    assert client.get(POLL).status_code == 401
    client.force_login(cast.owner_admin)
    assert client.get(POLL).status_code == 403
    assert post(client, f"{POLL}/{delivery.pk}/transitions", PROVISIONING).status_code == 403
    assert post(client, "/api/v1/agent/transitions", {"transitions": []}).status_code == 403


def test_a_step_is_answered_the_same_again_and_another_report_is_a_conflict(
    client: Client, agent: dict[str, str], delivery: Delivery, now: datetime
) -> None:
    address = f"{POLL}/{delivery.pk}/transitions"
    answers = [post(client, address, PROVISIONING, agent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0].json() == {
        "delivery": delivery.pk,
        "from_state": "scheduled",
        "to_state": "provisioning",
        "at": "2026-03-02T08:20:00Z",
        "report": {"host": "n1"},
    }
    other = post(client, address, PROVISIONING | {"report": {}}, agent)
    assert (other.status_code, other.json()["code"]) == (409, "delivery_step_conflict")
    early = post(client, address, PROVISIONING | {"to": "active"}, agent)
    assert (early.status_code, early.json()["next"]) == (409, ["accepting", "scheduled", "failed", "evicted"])
    assert post(client, address, PROVISIONING | {"to": "asleep"}, agent).status_code == 422


def test_the_agent_of_another_owner_finds_nothing(cast: Cast, client: Client, delivery: Delivery) -> None:
    other = bearer(cast.token(cast.other_owner, Scope.AGENT))
    assert client.get(POLL, headers=other).json()["results"] == []
    assert post(client, f"{POLL}/{delivery.pk}/transitions", PROVISIONING, other).status_code == 404
    bulk = {"transitions": [PROVISIONING | {"delivery": delivery.pk}]}
    answer = post(client, "/api/v1/agent/transitions", bulk, other).json()
    assert answer["results"][0]["status"] == 404
    assert not DeliveryTransition.objects.exists()


def test_many_steps_are_answered_one_by_one(
    cast: Cast, client: Client, agent: dict[str, str], delivery: Delivery, now: datetime
) -> None:
    second = make_delivery(owner=cast.owner, buyer=cast.buyer)
    steps = [
        PROVISIONING | {"delivery": delivery.pk},
        PROVISIONING | {"delivery": second.pk, "to": "ended"},
        PROVISIONING | {"delivery": 10**9},
        PROVISIONING | {"delivery": delivery.pk, "to": "accepting", "report": {}},
        PROVISIONING | {"delivery": delivery.pk, "report": {"host": "n2"}},
    ]
    results = post(client, "/api/v1/agent/transitions", {"transitions": steps}, agent).json()["results"]
    assert [result["status"] for result in results] == [200, 409, 404, 200, 409]
    assert [(result["problem"] or {}).get("code") for result in results] == [
        None,
        "delivery_step_refused",
        "not_found",
        None,
        "delivery_step_conflict",
    ]
    assert results[3]["transition"]["to_state"] == "accepting"
    assert Delivery.objects.get(pk=delivery.pk).state == "accepting"
    malformed = [PROVISIONING | {"delivery": 2**70}, {"to": "ended"}]
    answer = post(client, "/api/v1/agent/transitions", {"transitions": malformed}, agent)
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/transitions/0/delivery",
        "/transitions/1/delivery",
        "/transitions/1/at",
    }


def test_the_parties_see_the_steps_and_strangers_nothing(
    cast: Cast, client: Client, agent: dict[str, str], delivery: Delivery, now: datetime
) -> None:
    post(client, f"{POLL}/{delivery.pk}/transitions", PROVISIONING, agent)
    address = f"/api/v1/deliveries/{delivery.pk}"
    for user in (cast.owner_viewer, cast.buyer_viewer, cast.auditor):
        client.force_login(user)
        shown = client.get(address).json()
        assert (shown["state"], shown["transitions"][0]["report"]) == ("provisioning", {"host": "n1"})
        assert len(client.get("/api/v1/deliveries?state=provisioning").json()["results"]) == 1
        assert client.get("/api/v1/deliveries?state=ended").json()["results"] == []
    client.force_login(cast.stranger)
    assert client.get(address).status_code == 404
    assert client.get("/api/v1/deliveries").json()["results"] == []


def test_lists_cost_the_same_whatever_their_length(
    cast: Cast,
    client: Client,
    agent: dict[str, str],
    now: datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    reader = bearer(cast.token(cast.buyer, Scope.READ))
    for number in range(3):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        post(client, f"{POLL}/{delivery.pk}/transitions", PROVISIONING, agent)
        with django_assert_num_queries(6):
            assert len(client.get(POLL, headers=agent).json()["results"]) == number + 1
        with django_assert_num_queries(5):
            found = client.get("/api/v1/deliveries", headers=reader).json()["results"]
        assert len(found) == number + 1


def test_a_poll_goes_on_page_by_page(
    cast: Cast, client: Client, agent: dict[str, str], now: datetime
) -> None:
    ids = [make_delivery(owner=cast.owner, buyer=cast.buyer).pk for _ in range(3)]
    found: list[int] = []
    address = f"{POLL}?limit=2"
    while address:
        page = client.get(address, headers=agent).json()
        found += [row["id"] for row in page["results"]]
        address = page["next"]
    assert found == ids
