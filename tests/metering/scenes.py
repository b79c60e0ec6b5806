"""What the tests of metering start from."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

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


def address_of_test_database() -> str:
    """What another process needs to work on the database of this test."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{server}/{connection.settings_dict['NAME']}"
