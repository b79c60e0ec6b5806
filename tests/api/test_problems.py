from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Scope
from tests.cast import Cast, bearer

pytestmark = pytest.mark.urls("tests.api.endpoints")


@pytest.fixture
def caller(cast: Cast) -> Client:
    return Client(raise_request_exception=False, headers=bearer(cast.token(cast.owner, Scope.READ)))


def problem(answer: Any, *, status: int, code: str) -> dict[str, Any]:
    """The document, after checking what is true of every one of them."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"/problems/{code}"
    assert document["title"]
    assert document["detail"]
    assert len(document["request_id"]) == 36
    return document


def test_a_refusal_of_the_market_says_what_happened(caller: Client) -> None:
    document = problem(caller.get("/api/wrong/domain"), status=409, code="out_of_cards")

    assert document["detail"] == "Fleet 3 has 8 cards, 16 were asked for."
    assert document["cards"] == 8
    assert document["price"] == "1.20"


def test_wrong_fields_are_named_with_a_pointer(caller: Client) -> None:
    document = problem(caller.get("/api/wrong/input"), status=422, code="invalid_input")

    assert document["errors"] == [
        {"field": "alternatives.0.limit", "pointer": "/alternatives/0/limit", "message": "Too high."}
    ]


def test_drf_validation_looks_the_same(caller: Client) -> None:
    body = {"title": "", "alternatives": [{"limit": "1.00"}, {"limit": "much"}]}
    answer = caller.post("/api/wrong/form", body, content_type="application/json")

    errors = problem(answer, status=422, code="invalid_input")["errors"]
    assert [(e["field"], e["pointer"]) for e in errors] == [
        ("title", "/title"),
        ("alternatives.1.limit", "/alternatives/1/limit"),
    ]
    assert all(e["message"] for e in errors)


def test_an_error_of_the_whole_body_points_to_the_whole_body(caller: Client) -> None:
    answer = caller.post(
        "/api/wrong/form", {"title": "whole", "alternatives": []}, content_type="application/json"
    )

    assert problem(answer, status=422, code="invalid_input")["errors"] == [
        {"field": "", "pointer": "", "message": "It does not fit together."}
    ]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("not_allowed", 403, "not_allowed"), ("denied", 403, "not_allowed"), ("missing", 404, "not_found")],
)
def test_refusals_of_django_and_ours_look_alike(caller: Client, kind: str, status: int, code: str) -> None:
    problem(caller.get(f"/api/wrong/{kind}"), status=status, code=code)


def test_who_asks_too_often_is_told_when_to_come_back(caller: Client) -> None:
    answer = caller.get("/api/wrong/throttled")

    problem(answer, status=429, code="throttled")
    assert answer.headers["Retry-After"] == "7"


def test_a_fault_of_ours_tells_nothing_but_the_request_id(caller: Client) -> None:
    answer = caller.get("/api/wrong/bug")

    problem(answer, status=500, code="internal_error")
    assert b"secret inner detail" not in answer.content


def test_malformed_json(caller: Client) -> None:
    answer = caller.post("/api/wrong/form", b"{", content_type="application/json")

    problem(answer, status=400, code="parse_error")


def test_other_media_types(caller: Client) -> None:
    problem(
        caller.post("/api/wrong/form", b"<a/>", content_type="text/xml"),
        status=415,
        code="unsupported_media_type",
    )


def test_methods_that_do_not_exist(caller: Client) -> None:
    answer = caller.delete("/api/stacks")

    problem(answer, status=405, code="method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_without_credentials(db: None, client: Client) -> None:
    answer = client.get("/api/stacks")

    problem(answer, status=401, code="not_authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v1/organisations/"])
def test_unknown_addresses_of_the_api(db: None, client: Client, method: str, path: str) -> None:
    problem(getattr(client, method)(path), status=404, code="not_found")


def test_a_session_without_csrf_token_may_not_write(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.owner_trader)

    answer = client.post("/api/stacks", {}, content_type="application/json")

    problem(answer, status=403, code="permission_denied")


def test_the_type_of_a_problem_leads_to_a_page(db: None, client: Client) -> None:
    assert client.get("/problems/out_of_cards").status_code == 200
    assert client.get("/problems/no_such_code").status_code == 404
