"""Nobody writes faster than a person or a program of good will does."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as ServerGone

from accounts.models import Scope
from marketplace.api import throttling
from tests.cast import Cast, bearer

pytestmark = pytest.mark.urls("tests.api.endpoints")


BODY = {"title": "A run", "alternatives": []}


class Clock:
    """Twenty seconds into a minute, until a test says otherwise."""

    def __init__(self) -> None:
        self.seconds = 1_772_439_620.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    settings.API_WRITES_A_MINUTE = 2
    clock = Clock()
    monkeypatch.setattr(throttling, "time", clock)
    return clock


def write(secret: str) -> Any:
    return Client().post("/api/wrong/bug", BODY, content_type="application/json", headers=bearer(secret))


def test_the_third_write_in_a_minute_waits_for_the_next_one(cast: Cast, clock: Clock) -> None:
    secret = cast.token(cast.owner, Scope.TRADE)
    assert [write(secret).status_code for _ in range(3)] == [200, 200, 429]

    refused = write(secret)
    assert refused.json()["code"] == "throttled"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == "40"
    clock.seconds += 40
    assert write(secret).status_code == 200


def test_reading_is_not_counted(cast: Cast, clock: Clock) -> None:
    headers = bearer(cast.token(cast.owner, Scope.TRADE))
    assert {Client().get("/api/stacks", headers=headers).status_code for _ in range(5)} == {200}


def test_everybody_counts_alone(cast: Cast, clock: Clock) -> None:
    first, second = cast.token(cast.owner, Scope.TRADE), cast.token(cast.owner, Scope.TRADE)
    assert [write(first).status_code for _ in range(3)][-1] == 429
    assert write(second).status_code == 200
    client = Client()
    client.force_login(cast.owner_trader)
    answers = [client.post("/api/wrong/bug", BODY, content_type="application/json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_nothing_is_refused_for_want_of_a_cache(
    cast: Cast, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: Any, **_kwargs: Any) -> None:
        raise ServerGone

    secret = cast.token(cast.owner, Scope.TRADE)
    monkeypatch.setattr(cache, "add", gone)
    assert {write(secret).status_code for _ in range(4)} == {200}
