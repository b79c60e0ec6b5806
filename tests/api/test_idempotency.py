"""A POST that is sent twice happens once, even when both arrive at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import IdempotencyRecord, Scope
from marketplace.catalogue.models import SoftwareStack
from tests.api import endpoints
from tests.cast import Cast, bearer

pytestmark = pytest.mark.urls("tests.api.endpoints")

STACK = {"slug": "cann-8", "name": "CANN 8"}


@pytest.fixture
def secret(cast: Cast) -> str:
    return cast.token(cast.owner, Scope.TRADE)


def post(secret: str, body: Any = STACK, key: str | None = "k1", path: str = "/api/stacks") -> Any:
    headers = bearer(secret) | ({} if key is None else {"Idempotency-Key": key})
    return Client(raise_request_exception=False).post(
        path, body, content_type="application/json", headers=headers
    )


def test_the_same_request_gets_the_same_answer(secret: str) -> None:
    first, second = post(secret), post(secret)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert first.json()["price"] == "1.50"
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Content-Type"] == "application/json"
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert SoftwareStack.objects.count() == 1


def test_the_order_of_members_is_no_difference(secret: str) -> None:
    post(secret)

    assert post(secret, dict(reversed(STACK.items()))).headers["Idempotency-Replayed"] == "true"


def test_the_quotes_of_the_draft_are_no_difference(secret: str) -> None:
    post(secret, key='"k1"')

    assert post(secret, key="k1").headers["Idempotency-Replayed"] == "true"


def test_another_body_is_refused(secret: str) -> None:
    post(secret)
    answer = post(secret, STACK | {"slug": "cann-9"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert SoftwareStack.objects.count() == 1


def test_another_address_is_refused(secret: str) -> None:
    post(secret)

    assert post(secret, path="/api/lenient").json()["code"] == "idempotency_key_reused"


def test_another_organisation_of_the_same_person_is_refused(cast: Cast) -> None:
    """The answer was about the first one; a second order for the second one needs a key of its own."""
    client = Client()
    client.force_login(cast.stranger)
    for organisation, status in ((cast.other_owner, 201), (cast.other_buyer, 422), (cast.other_owner, 201)):
        client.post("/organisation/switch/", {"organisation": organisation.pk})
        answer = client.post(
            "/api/stacks", STACK, content_type="application/json", headers={"Idempotency-Key": "k1"}
        )
        assert answer.status_code == status
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert SoftwareStack.objects.count() == 1


def test_keys_of_others_are_no_matter(cast: Cast, secret: str) -> None:
    post(secret)
    other = post(cast.token(cast.owner, Scope.TRADE), STACK | {"slug": "cann-9"})

    assert other.status_code == 201
    assert "Idempotency-Replayed" not in other.headers


def test_a_key_is_needed(secret: str) -> None:
    answer = post(secret, key=None)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert not SoftwareStack.objects.exists()


def test_where_it_is_not_needed_each_request_counts(secret: str) -> None:
    answers = [post(secret, {}, key=None, path="/api/lenient").json()["slug"] for _ in range(2)]

    assert answers == ["s0", "s1"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb"])
def test_unusable_keys(secret: str, key: str) -> None:
    assert post(secret, key=key).json()["code"] == "idempotency_key_malformed"


def test_a_failed_request_leaves_its_key_usable(secret: str) -> None:
    failed = post(secret, STACK | {"name": "fails"})
    assert (failed.status_code, failed.json()["code"]) == (409, "out_of_cards")
    assert not SoftwareStack.objects.exists()
    assert not IdempotencyRecord.objects.exists()

    assert post(secret).status_code == 201


def test_an_invalid_request_leaves_its_key_usable(secret: str) -> None:
    assert post(secret, {"slug": "cann-8"}).status_code == 422

    assert post(secret).status_code == 201


def test_who_may_not_ask_gets_no_stored_answer(secret: str) -> None:
    post(secret)

    assert post("chk_unknown").status_code == 401


@pytest.fixture
def gate() -> Iterator[endpoints.Gate]:
    endpoints.gate = endpoints.Gate()
    endpoints.gate.closed = True
    yield endpoints.gate
    endpoints.gate.go_on.set()
    endpoints.gate.closed = False


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_the_second_is_refused_while_the_first_runs(self, secret: str, gate: endpoints.Gate) -> None:
        with ThreadPoolExecutor(1) as threads:
            first = _start(threads, secret)
            assert gate.inside.wait(20)
            second = post(secret)
            gate.go_on.set()
            assert first.result(20).status_code == 201

        assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_use")
        assert post(secret).headers["Idempotency-Replayed"] == "true"
        assert SoftwareStack.objects.count() == 1

    def test_other_keys_do_not_wait(self, secret: str, gate: endpoints.Gate) -> None:
        with ThreadPoolExecutor(1) as threads:
            first = _start(threads, secret)
            assert gate.inside.wait(20)
            gate.closed = False
            assert post(secret, STACK | {"slug": "cann-9"}, key="k2").status_code == 201
            gate.go_on.set()
            assert first.result(20).status_code == 201

    def test_a_crowd_creates_one(self, secret: str) -> None:
        start = threading.Barrier(6)

        def one(_: int) -> Any:
            start.wait(20)
            try:
                return post(secret)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(one, range(6)))

        assert SoftwareStack.objects.count() == 1
        assert {a.status_code for a in answers} <= {201, 409}
        created = [a for a in answers if a.status_code == 201]
        assert len({a.content for a in created}) == 1
        assert sum("Idempotency-Replayed" not in a.headers for a in created) == 1


def _start(threads: ThreadPoolExecutor, secret: str) -> Future[Any]:
    def run() -> Any:
        try:
            return post(secret)
        finally:
            connection.close()

    return threads.submit(run)
