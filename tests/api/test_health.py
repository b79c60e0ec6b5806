from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client


def test_alive_without_asking_the_database(client: Client) -> None:
    # No database fixture: a query would fail this test.
    assert client.get("/healthz").json() == {"status": "alive"}


def test_ready_when_every_part_answers(db: None, client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "parts": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }
    assert "no-cache" in answer.headers["Cache-Control"]


def parts(client: Client) -> dict[str, str]:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    found: dict[str, str] = answer.json()["parts"]
    return found


def test_not_ready_without_the_broker(db: None, client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert parts(client) == {"database": "ok", "migrations": "ok", "broker": "failed"}


def test_not_ready_before_the_migrations(db: None, client: Client) -> None:
    MigrationRecorder(connection).record_unapplied("accounts", "0001_initial")

    assert parts(client) == {"database": "ok", "migrations": "failed", "broker": "ok"}


def test_not_ready_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # Outside of the database fixture every query fails, as if the server were away.
    assert parts(client) == {"database": "failed", "migrations": "failed", "broker": "ok"}
