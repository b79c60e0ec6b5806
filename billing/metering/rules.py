"""Which readings a delivery can have: the reasons to reject an event, one by one.

Moments are whole microseconds since 2000 here, as the database counts them: a batch has thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from billing.metering.events import MeterData
from billing.metering.models import Meter
from marketplace.delivery.models import Delivery

# Ten times what a card with its share of the host draws: beyond it the unit is wrong, not the load.
MOST_WATTS_A_CARD = 10_000
# All cards busy all the time, in hundredths of a percent.
FULL = 10_000
# In the units of the meters: hundredths of a percent, MiB and watts of one card.
MOST_OF_A_MEAN = {Meter.UTILISATION: FULL, Meter.MEMORY: 4 * 2**20, Meter.POWER: MOST_WATTS_A_CARD}
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
HOUR = 3_600 * SECOND


class Reason(StrEnum):
    MALFORMED = "malformed"
    UNKNOWN_DELIVERY = "unknown_delivery"
    OTHER_SITE = "other_site"
    NOT_ACTIVE = "not_active"
    OUTSIDE_INTERVAL = "outside_interval"
    EMPTY_INTERVAL = "empty_interval"
    CROSSES_HOUR = "crosses_hour"
    IN_FUTURE = "in_future"
    ARCHIVED = "archived"
    QUANTITY_NEGATIVE = "quantity_negative"
    QUANTITY_IMPOSSIBLE = "quantity_impossible"
    CORRECTS_ITSELF = "corrects_itself"
    CORRECTS_ANOTHER = "corrects_another"
    CORRECTS_LATER = "corrects_later"


@dataclass(frozen=True, slots=True)
class Rejection:
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class MeteredDelivery:
    """What an event about a delivery is judged by. ``until`` is its end as known now."""

    pk: int
    site: int
    state: str
    cards: int
    since: int | None
    until: int


def microseconds(moment: datetime) -> int:
    return (moment - BEGINNING) // MICROSECOND


def moment_at(microseconds: int) -> datetime:
    return BEGINNING + timedelta(microseconds=microseconds)


def active_interval(delivery: Delivery) -> tuple[datetime, datetime] | None:
    """When the delivery may be metered; its end is the agreement's until the agent reports one."""
    if delivery.active_from is None:
        return None
    return delivery.active_from, delivery.active_until or delivery.ends_at


def why_rejected(
    data: MeterData, starts: int, ends: int, *, delivery: MeteredDelivery, latest: int
) -> Rejection | None:
    """Why the delivery cannot have this reading, or None. ``latest`` is where the future begins."""
    if delivery.since is None:
        return Rejection(
            Reason.NOT_ACTIVE,
            f"Delivery {delivery.pk} is {delivery.state}; report it active, then meter it.",
        )
    return _wrong_interval(starts, ends, delivery, delivery.since, latest) or _wrong_quantity(
        data, ends - starts, delivery.cards
    )


def _wrong_interval(
    starts: int, ends: int, delivery: MeteredDelivery, since: int, latest: int
) -> Rejection | None:
    if ends <= starts:
        return Rejection(Reason.EMPTY_INTERVAL, "ends_at must be later than starts_at.")
    if ends > latest:
        return Rejection(
            Reason.IN_FUTURE,
            f"The interval ends after {_told(latest)}, in the future; check the site's clock.",
        )
    if starts < since or ends > delivery.until:
        return Rejection(
            Reason.OUTSIDE_INTERVAL,
            f"Delivery {delivery.pk} is metered from {_told(since)} to {_told(delivery.until)}.",
        )
    if starts // HOUR != (ends - 1) // HOUR:
        return Rejection(
            Reason.CROSSES_HOUR, "The interval crosses a full UTC hour; send one event for each hour."
        )
    return None


def _wrong_quantity(data: MeterData, length: int, cards: int) -> Rejection | None:
    if data.quantity < 0:
        return Rejection(Reason.QUANTITY_NEGATIVE, "A quantity is never negative.")
    most = most_possible(data.meter, length, cards)
    if data.quantity > most:
        return Rejection(
            Reason.QUANTITY_IMPOSSIBLE,
            f"{cards} cards cannot have more than {most} of {data.meter.value} in this interval.",
        )
    return None


def _told(microseconds: int) -> str:
    return moment_at(microseconds).isoformat()


def most_possible(meter: Meter, length: int, cards: int) -> int:
    """Card-seconds: cards × seconds, rounded down. Energy: that many cards at their utmost, rounded up.

    A mean has no interval in its bound.
    """
    if meter in MOST_OF_A_MEAN:
        return MOST_OF_A_MEAN[meter]
    if meter is Meter.ENERGY:
        return -(-length * cards * MOST_WATTS_A_CARD // HOUR)
    return length * cards // SECOND
