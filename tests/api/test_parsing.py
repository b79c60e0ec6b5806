"""Bodies that are no JSON, or JSON that nobody could store: each is the caller's mistake, never ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Scope
from tests.cast import Cast, bearer

pytestmark = pytest.mark.urls("tests.api.endpoints")


@pytest.fixture
def caller(cast: Cast) -> Client:
    headers = bearer(cast.token(cast.owner, Scope.READ)) | {"Idempotency-Key": "a key"}
    return Client(raise_request_exception=False, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b'{"slug": "\\ud800"}',
        b'{"slug": NaN}',
        b'{"slug": 1e400}',
        b'{"slug": ' + b"9" * 5000 + b"}",
        b'{"slug": "\xff"}',
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b"{",
    ],
)
@pytest.mark.parametrize("address", ["/api/stacks", "/api/wrong/form"])
def test_what_cannot_be_read_is_a_malformed_request(caller: Client, address: str, body: bytes) -> None:
    answer = caller.generic("POST", address, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"[" * 32 + b"]" * 32, b""])
def test_json_of_another_shape_is_invalid_input(caller: Client, body: bytes) -> None:
    answer = caller.generic("POST", "/api/stacks", body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_body_is_read_up_to_the_limit(caller: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    longest = b'{"slug": "a", "name": "b"}'.ljust(100)
    assert caller.generic("POST", "/api/stacks", longest, "application/json").status_code == 201
    answer = caller.generic("POST", "/api/stacks", longest + b" ", "application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
