"""What the tests of metering start from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, connections

from billing.metering.hours import differences
from billing.metering.models import MeteredHour
from marketplace.delivery.models import Delivery
from tests.billing.builders import MINUTE, START, event

ALLOCATED = "card-seconds.allocated"


def correction(
    delivery: Delivery, name: str, corrects: str, *, after: timedelta = MINUTE, **facts: Any
) -> dict[str, Any]:
    """An event that corrects another one, and bears a time so much after that of ``event``."""
    at = facts.get("at", START)
    time = at + timedelta(seconds=facts.get("seconds", 60)) + after
    body = event(delivery, name, **({"time": time.isoformat()} | facts))
    body["data"]["corrects"] = corrects
    return body


def counted(delivery: Delivery, *, meter: str = ALLOCATED) -> dict[datetime, int]:
    """The hours that are not empty, which must be what the readings add up to."""
    assert differences() == []
    hours = MeteredHour.objects.filter(delivery=delivery, meter=meter, readings__gt=0)
    return {hour.slot: hour.quantity for hour in hours}


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What each of the actions returned or raised, all of them started together."""
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            results[number] = actions[number]()
        except Exception as error:  # noqa: BLE001 the test looks at it
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def address_of_test_database() -> str:
    """What another process needs to work on the database of this test."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{server}/{connection.settings_dict['NAME']}"
