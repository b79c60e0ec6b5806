"""What a simulated site meters: CloudEvents that come out the same however often they are made.

Time is cut at every half hour of UTC, and at the ends of the delivery's activity. An interval, its
quantities and the event's id follow from the delivery alone, so a restarted agent sends the same
events again and the exchange knows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.agent_steps import Delivery
from demo.duty_cycle import busy_seconds

CELL = timedelta(minutes=30)
IDLE_PERCENT = 25
"""What an idle card draws of its design power; a busy one draws all of it. An assumption."""


@dataclass(frozen=True, slots=True)
class Interval:
    starts_at: datetime
    ends_at: datetime

    @property
    def seconds(self) -> int:
        return (self.ends_at - self.starts_at) // timedelta(seconds=1)


def intervals(delivery: Delivery, since: datetime | None, now: datetime) -> Iterator[Interval]:
    """Whole intervals of a delivery's activity from ``since`` (None: its beginning) that are over."""
    if delivery.active_from is None:
        return
    begins = max(since or delivery.active_from, delivery.active_from)
    while begins < delivery.metered_until:
        ends = min(cell_end(begins), delivery.metered_until)
        if ends > now:
            return
        yield Interval(begins, ends)
        begins = ends


def cell_end(at: datetime) -> datetime:
    """The first full half hour after a moment."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((at - midnight) // CELL + 1) * CELL


def events(delivery: Delivery, interval: Interval) -> list[dict[str, Any]]:
    """One event a meter. Without a known design power there is no figure for energy."""
    allocated = delivery.cards * interval.seconds
    active = sum(
        busy_seconds(f"{delivery.id}/{card}", interval.starts_at, interval.ends_at)
        for card in range(delivery.cards)
    )
    quantities = {"card-seconds.allocated": allocated, "card-seconds.active": active}
    if delivery.tdp_w is not None:
        quantities["energy.wh"] = watt_hours(delivery.tdp_w, allocated, active)
    return [_event(delivery, interval, meter, quantity) for meter, quantity in quantities.items()]


def watt_hours(tdp_w: int, allocated: int, active: int) -> int:
    percent_seconds = IDLE_PERCENT * allocated + (100 - IDLE_PERCENT) * active
    return tdp_w * percent_seconds // 360_000


def _event(delivery: Delivery, interval: Interval, meter: str, quantity: int) -> dict[str, Any]:
    begins, ends = (at.astimezone(UTC).isoformat() for at in (interval.starts_at, interval.ends_at))
    return {
        "specversion": "1.0",
        "id": f"{delivery.id}/{meter}/{begins}/{interval.seconds}",
        "source": f"urn:cardhour:site:{delivery.site}",
        "type": "org.cardhour.meter.v1",
        "time": ends,
        "subject": f"delivery/{delivery.id}",
        "datacontenttype": "application/json",
        "data": {"meter": meter, "starts_at": begins, "ends_at": ends, "quantity": quantity},
    }
