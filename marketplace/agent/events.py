"""What was metered, and the CloudEvent that tells it.

The first event of a cell follows from the cell and its quantity alone, down to the byte. So an agent that
lost its buffer sends the same events again, and the exchange knows them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from marketplace.agent.usage import Span

ALLOCATED = "card-seconds.allocated"


@dataclass(frozen=True, slots=True)
class Metered:
    """A quantity of one meter in one cell. A delivery has one quantity of a meter from any moment on."""

    site: int
    delivery: int
    meter: str
    span: Span
    quantity: int

    @property
    def first_id(self) -> str:
        return f"{self.delivery}/{self.meter}/{moment(self.span.since)}"


def first(metered: Metered) -> tuple[str, str]:
    """Id and body of the event that tells a cell for the first time."""
    return metered.first_id, _body(metered, metered.first_id, at=moment(metered.span.until), data={})


def correction(metered: Metered, *, at: datetime) -> tuple[str, str]:
    """Id and body of an event that takes the place of all that told the cell before ``at``."""
    told = at.astimezone(UTC).isoformat(timespec="microseconds")
    event_id = f"{metered.first_id}/{told}"
    return event_id, _body(metered, event_id, at=told, data={"corrects": metered.first_id})


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _body(metered: Metered, event_id: str, *, at: str, data: dict[str, str]) -> str:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:cardhour:site:{metered.site}",
        "type": "org.cardhour.meter.v1",
        "time": at,
        "subject": f"delivery/{metered.delivery}",
        "datacontenttype": "application/json",
        "data": {
            "meter": metered.meter,
            "starts_at": moment(metered.span.since),
            "ends_at": moment(metered.span.until),
            "quantity": metered.quantity,
        }
        | data,
    }
    return json.dumps(event, separators=(",", ":"))
