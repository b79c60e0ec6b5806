"""Which readings a delivery can have: the reasons to reject an event, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.metering.events import MeterData
from billing.metering.models import Meter
from marketplace.clock import HOUR, floor_hour
from marketplace.delivery.models import Delivery

# Ten times what a card with its share of the host draws: beyond it the unit is wrong, not the load.
MOST_WATTS_A_CARD = 10_000


class Reason(StrEnum):
    MALFORMED = "malformed"
    UNKNOWN_DELIVERY = "unknown_delivery"
    OTHER_SITE = "other_site"
    NOT_ACTIVE = "not_active"
    OUTSIDE_INTERVAL = "outside_interval"
    EMPTY_INTERVAL = "empty_interval"
    CROSSES_HOUR = "crosses_hour"
    IN_FUTURE = "in_future"
    QUANTITY_NEGATIVE = "quantity_negative"
    QUANTITY_IMPOSSIBLE = "quantity_impossible"


@dataclass(frozen=True, slots=True)
class Rejection:
    reason: Reason
    message: str


def active_interval(delivery: Delivery) -> tuple[datetime, datetime] | None:
    """When the delivery may be metered; its end is the agreement's until the agent reports one."""
    if delivery.active_from is None:
        return None
    return delivery.active_from, delivery.active_until or delivery.ends_at


def why_rejected(data: MeterData, *, delivery: Delivery, cards: int, latest: datetime) -> Rejection | None:
    """Why the delivery cannot have this reading, or None. ``latest`` is where the future begins."""
    return _wrong_interval(data, delivery, latest) or _wrong_quantity(data, cards)


def _wrong_interval(data: MeterData, delivery: Delivery, latest: datetime) -> Rejection | None:
    active = active_interval(delivery)
    if active is None:
        return Rejection(
            Reason.NOT_ACTIVE,
            f"Delivery {delivery.pk} is {delivery.state}; report it active, then meter it.",
        )
    if data.ends_at <= data.starts_at:
        return Rejection(Reason.EMPTY_INTERVAL, "ends_at must be later than starts_at.")
    if data.ends_at > latest:
        return Rejection(
            Reason.IN_FUTURE,
            f"The interval ends after {latest.isoformat()}, in the future; check the site's clock.",
        )
    if data.starts_at < active[0] or data.ends_at > active[1]:
        return Rejection(
            Reason.OUTSIDE_INTERVAL,
            f"Delivery {delivery.pk} is metered from {active[0].isoformat()} to {active[1].isoformat()}.",
        )
    if data.ends_at > floor_hour(data.starts_at) + HOUR:
        return Rejection(
            Reason.CROSSES_HOUR, "The interval crosses a full UTC hour; send one event for each hour."
        )
    return None


def _wrong_quantity(data: MeterData, cards: int) -> Rejection | None:
    if data.quantity < 0:
        return Rejection(Reason.QUANTITY_NEGATIVE, "A quantity is never negative.")
    most = most_possible(data, cards)
    if data.quantity > most:
        return Rejection(
            Reason.QUANTITY_IMPOSSIBLE,
            f"{cards} cards cannot have more than {most} of {data.meter.value} in this interval.",
        )
    return None


def most_possible(data: MeterData, cards: int) -> int:
    """Card-seconds: cards × seconds, rounded down. Energy: that many cards at their utmost, rounded up."""
    microseconds = cards * ((data.ends_at - data.starts_at) // timedelta(microseconds=1))
    if data.meter is Meter.ENERGY:
        return -(-microseconds * MOST_WATTS_A_CARD // 3_600_000_000)
    return microseconds // 1_000_000
