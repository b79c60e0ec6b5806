"""The API of budgets, choices and owner caps, and of requests under them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope
from marketplace.demand.models import Budget, OwnerCap
from tests.cast import Cast, bearer
from tests.clearing.market import make_reference
from tests.demand.groups import make_budget, make_cap, make_choice
from tests.demand.purchases import buy
from tests.demand.test_api import ALTERNATIVE, REQUEST, post
from tests.factories import make_model, make_offer, make_region, make_request

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.demand.urls")]


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_region()


def test_requests_are_entered_under_a_budget_and_a_choice(cast: Cast, client: Client, now: datetime) -> None:
    by_token = bearer(cast.token(cast.buyer, Scope.TRADE))
    new = {"name": "Spring", "currency": "CNY", "amount": "900"}
    budget = post(client, "/api/v1/budgets", new, **by_token)
    choice = post(client, "/api/v1/choices", {"name": "Either", "most": 1}, "k2", **by_token).json()
    assert (budget.status_code, budget.headers["Location"]) == (201, f"/api/v1/budgets/{budget.json()['id']}")
    body = REQUEST | {"shared_budget": budget.json()["id"], "choice": choice["id"]}
    request = post(client, "/api/v1/requests", body, "k3", **by_token).json()
    assert (request["shared_budget"], request["choice"]) == (budget.json()["id"], choice["id"])
    answer = post(client, f"/api/v1/budgets/{budget.json()['id']}/close", key="k4", **by_token)
    assert (answer.status_code, answer.json()["code"]) == (409, "group_in_use")


def test_a_budget_says_what_is_spent_and_left(cast: Cast, client: Client) -> None:
    budget = make_budget(cast.buyer, "1000")
    buy(make_request(cast.buyer, shared_budget=budget), make_offer(), cards=8, hours=4, price="12.5")
    client.force_login(cast.buyer_viewer)
    shown = client.get(f"/api/v1/budgets/{budget.pk}").json()
    assert (float(shown["spent"]), float(shown["left"])) == (400, 600)
    choice = make_choice(cast.buyer, most=3)
    make_request(cast.buyer, choice=choice, state="matched")
    shown = client.get(f"/api/v1/choices/{choice.pk}").json()
    assert (shown["matched"], shown["left"]) == (1, 2)


def test_a_group_that_is_not_the_buyers_is_refused_by_its_name(
    cast: Cast, client: Client, now: datetime
) -> None:
    client.force_login(cast.buyer_trader)
    theirs = make_budget(cast.other_buyer)
    answer = post(client, "/api/v1/requests", REQUEST | {"shared_budget": theirs.pk, "choice": 77})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/shared_budget", "/choice"}


def test_groups_are_closed_once_and_for_ever(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_trader)
    for kind, group in (("budgets", make_budget(cast.buyer)), ("choices", make_choice(cast.buyer))):
        closed = [post(client, f"/api/v1/{kind}/{group.pk}/close", key=f"{kind}{n}") for n in range(2)]
        assert [answer.status_code for answer in closed] == [200, 200]
        assert closed[0].json()["closed_at"] == closed[1].json()["closed_at"] == "2026-03-02T08:20:00Z"


def test_an_administrator_sets_and_lifts_the_owner_cap(cast: Cast, client: Client, now: datetime) -> None:
    address = f"/api/v1/owner-caps/{cast.buyer.pk}"
    client.force_login(cast.buyer_admin)
    assert client.get(address).status_code == 404
    answer = client.put(address, {"card_hours": 500}, content_type="application/json")
    assert answer.json() == {
        "organisation": cast.buyer.pk,
        "card_hours": 500,
        "changed_at": "2026-03-02T08:20:00Z",
    }
    assert client.get(address).json() == answer.json()
    assert client.get("/api/v1/owner-caps").json()["results"] == [answer.json()]
    wrong = client.put(address, {"card_hours": 0}, content_type="application/json")
    assert [error["field"] for error in wrong.json()["errors"]] == ["card_hours"]
    assert client.delete(address).status_code == 204
    assert not OwnerCap.objects.exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"gangs": 3}, "gangs"),
        ({"gangs": 2, "divisible": True}, "gangs"),
        ({"gangs": "two"}, "gangs"),
        ({"interruptible": True}, "interruptible"),
    ],
)
def test_how_the_cards_come_together_is_judged(
    cast: Cast, client: Client, now: datetime, facts: dict[str, Any], field: str
) -> None:
    client.force_login(cast.buyer_trader)
    answer = post(client, "/api/v1/requests", REQUEST | {"alternatives": [ALTERNATIVE | facts]})
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/alternatives/0/{field}"]


def test_how_the_cards_come_together_is_kept(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_trader)
    ways = [{"gangs": 4}, {"divisible": True, "interruptible": True}]
    body = REQUEST | {"alternatives": [ALTERNATIVE | way for way in ways]}
    first, second = post(client, "/api/v1/requests", body).json()["alternatives"]
    assert (first["gangs"], first["divisible"], first["interruptible"]) == (4, False, False)
    assert (second["gangs"], second["divisible"], second["interruptible"]) == (0, True, True)


def test_an_open_request_says_that_it_waits_for_an_exchange_rate(
    cast: Cast, client: Client, now: datetime
) -> None:
    client.force_login(cast.buyer_viewer)
    waiting, matched = make_request(cast.buyer), make_request(cast.buyer, state="matched")
    found = {row["id"]: row["waits_for"] for row in client.get("/api/v1/requests").json()["results"]}
    assert found == {waiting.pk: "fx_rate", matched.pk: None}
    make_reference()
    assert client.get(f"/api/v1/requests/{waiting.pk}").json()["waits_for"] is None


def test_lists_cost_the_same_whatever_their_length(
    cast: Cast, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    by_token = bearer(cast.token(cast.buyer, Scope.READ))
    make_cap(cast.buyer, 5)
    for number in range(3):
        make_request(cast.buyer, shared_budget=make_budget(cast.buyer), choice=make_choice(cast.buyer))
        for address, found in (("budgets", number + 1), ("choices", number + 1), ("owner-caps", 1)):
            with django_assert_num_queries(2):
                results = client.get(f"/api/v1/{address}", headers=by_token).json()["results"]
            assert len(results) == found
    assert Budget.objects.count() == 3
