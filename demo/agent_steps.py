"""What a simulated site does with a delivery, and when: it provisions, tests, delivers and ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from demo.http import moment

PROVISIONING = timedelta(minutes=3)
ACCEPTANCE = timedelta(minutes=4)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the poll tells it. ``tdp_w`` is None where nobody knows what a card draws."""

    id: int
    site: int
    state: str
    state_since: datetime | None
    starts_at: datetime
    ends_at: datetime
    active_from: datetime | None
    active_until: datetime | None
    cards: int
    model: str
    memory_gb: str | None
    tdp_w: int | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        times = ("state_since", "starts_at", "ends_at", "active_from", "active_until")
        known = {name: row[name] for name in cls.__slots__}
        return cls(**known | {name: row[name] and moment(row[name]) for name in times})

    @property
    def metered_until(self) -> datetime:
        """Where its usage ends."""
        return self.active_until or self.ends_at


@dataclass(frozen=True, slots=True)
class Step:
    to: str
    at: datetime

    def body(self, delivery: Delivery) -> dict[str, Any]:
        report = {"acceptance": acceptance(delivery)} if self.to == "active" else {}
        return {
            "delivery": delivery.id,
            "to": self.to,
            "at": self.at.isoformat(),
            "report": report | {"by": "simulated site agent"},
        }


def acceptance(delivery: Delivery) -> dict[str, Any]:
    return {
        "cards_visible": delivery.cards,
        "model": delivery.model,
        "memory_gb": delivery.memory_gb or "0",
        "passed": True,
    }


def next_step(delivery: Delivery, now: datetime) -> Step | None:
    """The next step and when it happens; the times follow from the delivery alone once it has begun.

    Its end is not among them: that waits for the last meter event.
    """
    since = delivery.state_since or now
    match delivery.state:
        case "scheduled":
            return Step("provisioning", now.replace(microsecond=0))
        case "provisioning":
            return Step("accepting", since + PROVISIONING)
        case "accepting":
            return Step("active", max(delivery.starts_at, since + ACCEPTANCE))
        case _:
            return None


def steps_until(delivery: Delivery, now: datetime) -> Iterator[Step]:
    """The steps that have happened by now, in order."""
    while (step := next_step(delivery, now)) is not None and step.at <= now and step.at < delivery.ends_at:
        yield step
        delivery = replace(delivery, state=step.to, state_since=step.at)
