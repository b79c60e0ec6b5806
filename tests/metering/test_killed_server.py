"""The web server is killed in the middle of a batch, and the site sends it all again: the same totals."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from billing.metering.events import BATCH, key_of
from billing.metering.models import EventKey, Reading
from billing.metering.partitions import make_missing, month_of
from marketplace.delivery.models import Delivery
from tests.agents_at_work import EnrolledAgent
from tests.billing.builders import HOUR, MINUTE, START, event, make_delivery
from tests.cast import Cast
from tests.metering.scenes import address_of_test_database, counted

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]
READY_WITHIN = 60


@contextmanager
def web_server() -> Iterator[tuple[int, int]]:
    """Gunicorn as in production, on the database of this test: its port and its group of processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "marketplace.wsgi", "--log-level", "error"),
            *("--config", str(ROOT / "docker" / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{port}"),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": address_of_test_database(),
            "DJANGO_SETTINGS_MODULE": "marketplace.settings",
            "CARDHOUR_BASE_URL": "http://127.0.0.1",
            "ALLOWED_HOSTS": "127.0.0.1",
            "WEB_WORKERS": "1",
            "LOG_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore",
        },
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the web server did not come up")


def _post(port: int, agent: EnrolledAgent, batch: list[dict[str, Any]]) -> dict[str, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    path, body = "/api/v1/meter-events", json.dumps(batch).encode()
    try:
        client.request("POST", path, body, agent.headers("POST", path, body, **{"Content-Type": BATCH}))
        response = client.getresponse()
        assert response.status == 200, response.read()
        answer: dict[str, Any] = json.loads(response.read())
        return answer
    finally:
        client.close()


def _batches(delivery: Delivery) -> list[list[dict[str, Any]]]:
    """A batch an hour: eight cards, each minute."""
    return [
        [
            event(delivery, f"{hour}-{minute}-{card}", at=START + hour * HOUR + minute * MINUTE, quantity=60)
            for minute in range(60)
            for card in range(8)
        ]
        for hour in range(4)
    ]


def _expected() -> dict[Any, int]:
    return {START + hour * HOUR: 8 * 3_600 for hour in range(4)}


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    make_missing([month_of(START)])
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


def test_a_server_killed_at_any_moment_has_stored_all_that_it_acknowledged_and_whole_batches(
    cast: Cast, delivery: Delivery
) -> None:
    agent, batches = cast.agent(cast.owner), _batches(delivery)
    acknowledged: list[int] = []
    with web_server() as (port, group):

        def send_for_ever() -> None:
            while True:
                for number, batch in enumerate(batches):
                    try:
                        _post(port, agent, batch)
                    except (OSError, http.client.HTTPException):
                        return
                    acknowledged.append(number)

        site = threading.Thread(target=send_for_ever)
        site.start()
        time.sleep(random.Random().uniform(0.2, 0.8))
        os.killpg(group, signal.SIGKILL)
        site.join(30)
    # What the dead server had under way ends when its connection does: wait for its lock.
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=delivery.pk)
    stored = [Reading.objects.filter(slot=START + hour * HOUR).count() for hour in range(4)]
    assert set(stored) <= {0, 480}
    assert set(acknowledged) <= {hour for hour, count in enumerate(stored) if count}
    _replay(agent, batches)
    assert counted(delivery) == _expected()


def test_a_server_killed_between_two_events_of_a_batch_has_stored_neither(
    cast: Cast, delivery: Delivery
) -> None:
    """We hold the last key of the batch, so the server has stored the others and waits for that one."""
    agent, batches = cast.agent(cast.owner), _batches(delivery)
    keys = sorted(key_of(one["source"], one["id"]) for one in batches[0])
    with web_server() as (port, group):
        site = threading.Thread(target=_post_and_lose, args=(port, agent, batches[0]))
        with transaction.atomic():
            EventKey.objects.create(
                key=uuid.UUID(bytes=keys[-1]), digest=uuid.UUID(int=0), reading=0, slot=START
            )
            site.start()
            _wait_until_blocked()
            os.killpg(group, signal.SIGKILL)
            site.join(30)
            transaction.set_rollback(True)
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=delivery.pk)
    assert (Reading.objects.count(), EventKey.objects.count()) == (0, 0)
    assert counted(delivery) == {}
    _replay(agent, batches)
    assert counted(delivery) == _expected()


def _post_and_lose(port: int, agent: EnrolledAgent, batch: list[dict[str, Any]]) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        _post(port, agent, batch)


def _wait_until_blocked() -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO metering_eventkey%'"
            )
            if cursor.fetchone() == (1,):
                return
        time.sleep(0.02)
    raise TimeoutError("the web server did not come to the key that we hold")


def _replay(agent: EnrolledAgent, batches: list[list[dict[str, Any]]]) -> None:
    """A new server, and the site sends everything, as it does when answers are lost."""
    with web_server() as (port, _):
        for batch in batches:
            answer = _post(port, agent, batch)
            assert answer["accepted"] + answer["duplicate"] == len(batch)
