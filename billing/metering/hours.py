"""Hours: what readings add up to, by delivery, hour and meter.

They are written with the readings. Here they are made again from the readings alone, which proves
that both say the same, or shows where they do not. Months that were detached cannot be proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from billing.metering.models import MEANS
from marketplace.delivery.models import Delivery

MICROSECONDS = "(extract(epoch FROM ends_at - starts_at) * 1000000)::bigint"
MEAN = f"meter IN ({', '.join(repr(meter.value) for meter in sorted(MEANS))})"
# What an hour holds, as a sum over readings; the columns of these names are those of a reading.
SUMS = f"""
    sum(CASE WHEN {MEAN} THEN quantity * {MICROSECONDS} ELSE quantity END)::bigint AS quantity,
    sum(CASE WHEN {MEAN} THEN sign * {MICROSECONDS} ELSE 0 END)::bigint AS weight,
    sum(sign)::integer AS readings
"""
HERE = """
    slot >= %(since)s AND slot < %(until)s
    AND date_trunc('month', slot, 'UTC') NOT IN (
        SELECT month::timestamp AT TIME ZONE 'UTC' FROM metering_detachedmonth)
"""
COUNTED = f"""
    SELECT delivery_id, slot, meter, {SUMS} FROM metering_reading WHERE {HERE}
    GROUP BY delivery_id, slot, meter
"""  # noqa: S608 constants of this module
# The ends of what a clock may say, for a check of everything.
ALWAYS = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sums:
    quantity: int
    weight: int
    readings: int


@dataclass(frozen=True, slots=True)
class Difference:
    """An hour that does not hold what its readings add up to; ``None`` where there is none."""

    delivery: int
    slot: datetime
    meter: str
    kept: Sums | None
    counted: Sums | None

    def __str__(self) -> str:
        hour = f"D{self.delivery} {self.slot.astimezone(UTC):%Y-%m-%dT%H:00Z} {self.meter}"
        return f"{hour}: the hour holds {_told(self.kept)}, its readings add up to {_told(self.counted)}"


def _told(sums: Sums | None) -> str:
    if sums is None:
        return "nothing"
    weight = f" over {sums.weight} µs" if sums.weight else ""
    return f"{sums.quantity}{weight} in {sums.readings} events"


def differences(*, since: datetime = ALWAYS[0], until: datetime = ALWAYS[1]) -> list[Difference]:
    """Hours in ``[since, until)`` that are not the sum of their readings, from one look at both."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS ({COUNTED}),
                 kept AS (SELECT * FROM metering_meteredhour WHERE {HERE})
            SELECT delivery_id, slot, meter, kept.quantity, kept.weight, kept.readings,
                   counted.quantity, counted.weight, counted.readings
            FROM kept FULL JOIN counted USING (delivery_id, slot, meter)
            WHERE (kept.quantity, kept.weight, kept.readings)
                IS DISTINCT FROM (counted.quantity, counted.weight, counted.readings)
            ORDER BY delivery_id, slot, meter
            """,  # noqa: S608 constants of this module
            {"since": since, "until": until},
        )
        return [
            Difference(delivery, slot, meter, _sums(figures[:3]), _sums(figures[3:]))
            for delivery, slot, meter, *figures in cursor.fetchall()
        ]


def _sums(figures: Sequence[int | None]) -> Sums | None:
    quantity, weight, readings = figures
    if quantity is None or weight is None or readings is None:
        return None
    return Sums(quantity, weight, readings)


@transaction.atomic
def rebuild(
    delivery: Delivery,
    *,
    now: datetime,
    actor: Actor,
    since: datetime = ALWAYS[0],
    until: datetime = ALWAYS[1],
) -> None:
    """Make the hours of a delivery in ``[since, until)`` anew from its readings.

    Nobody adds to either meanwhile: whoever stores readings holds the delivery's row.
    """
    Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM metering_meteredhour WHERE delivery_id = %(delivery)s AND {HERE};
            INSERT INTO metering_meteredhour (delivery_id, slot, meter, quantity, weight, readings)
            SELECT * FROM ({COUNTED}) AS counted WHERE delivery_id = %(delivery)s;
            """,  # noqa: S608 constants of this module
            {"delivery": delivery.pk, "since": since, "until": until},
        )
    audit.record(actor=actor, action="metering.hours_rebuilt", target=delivery, now=now)
