"""A market whose hours are added up: what is sold through runs, delivered, read and charged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.actors import task_actor
from accounts.audit import seal
from billing.metering.models import Meter
from marketplace.audit.utilisation.models import FleetHour
from marketplace.audit.utilisation.rebuilding import differences
from marketplace.audit.utilisation.services import roll_up
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, START, agent_of, event, send
from tests.pages_market.scenes import make_run

ROLLER = task_actor("a test")
# Four hours of a delivery are over, and the time for late readings too.
LATER = START + 4 * HOUR + timedelta(minutes=30)
END = START + 4 * HOUR


def opened() -> None:
    """The market began at START: the run before it could sell the hours from then on."""
    make_run(opened_at=START, horizon_start=START, slots=168)


def rolled(now: datetime = LATER) -> int:
    """Add up what is new or changed; what is kept must then be what the facts say."""
    seal()
    rows = roll_up(now=now, actor=ROLLER)
    assert list(differences(since=START, until=END)) == []
    return rows


def hour_of(delivery: Delivery, hour: int = 0) -> FleetHour:
    fleet = delivery.agreement.allocation.offer.fleet_id
    return FleetHour.objects.get(fleet=fleet, starts_at=START + hour * HOUR)


def read(delivery: Delivery, hour: int = 0, *, now: datetime = LATER, **quantities: int) -> None:
    """Readings of one hour: ``allocated``, ``active`` or ``energy``."""
    meters = {"allocated": Meter.ALLOCATED, "active": Meter.ACTIVE, "energy": Meter.ENERGY}
    events: list[dict[str, Any]] = [
        event(
            delivery,
            f"{delivery.pk}-{hour}-{name}",
            at=delivery.starts_at + hour * HOUR,
            seconds=3600,
            quantity=quantity,
            meter=meters[name].value,
        )
        for name, quantity in quantities.items()
    ]
    answers = send(agent_of(delivery.agreement.owner), *events, now=now)
    assert {answer.status.value for answer in answers} == {"accepted"}
