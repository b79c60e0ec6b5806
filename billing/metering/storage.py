"""Whole batches in single statements: what the ORM has no words for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import connection

from billing.metering.events import ReadEvent
from billing.metering.models import ChangedSlot, Meter
from marketplace.clock import floor_hour

EventKey = tuple[str, str]
SlotKey = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class StoredReading:
    pk: int
    digest: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Card-seconds of a slot, and the newest reading among them."""

    quantity: int
    last_reading: int


def readings_by_key(keys: Collection[EventKey]) -> dict[EventKey, StoredReading]:
    """Those of the named readings that are stored."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT source, event_id, id, body_digest FROM metering_reading
            JOIN unnest(%s::text[], %s::text[]) AS wanted (source, event_id) USING (source, event_id)
            """,
            [[source for source, _ in keys], [event_id for _, event_id in keys]],
        )
        return {(source, event_id): StoredReading(*rest) for source, event_id, *rest in cursor.fetchall()}


def insert_readings(events: Sequence[ReadEvent], *, token_id: int, now: datetime) -> set[EventKey]:
    """Store the events; returns the keys of those that no other transaction had stored before.

    They go in sorted by key, so that two batches with common events wait for each other in turn.
    """
    if not events:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO metering_reading (source, event_id, delivery_id, meter, slot, starts_at, ends_at,
                                          quantity, body, body_digest, token_id, received_at)
            SELECT source, event_id, delivery_id, meter, slot, starts_at, ends_at,
                   quantity, body, body_digest, %s, %s
            FROM jsonb_to_recordset(%s) AS event (
                source text, event_id text, delivery_id bigint, meter text, slot timestamptz,
                starts_at timestamptz, ends_at timestamptz, quantity bigint, body jsonb, body_digest text)
            ON CONFLICT (source, event_id) DO NOTHING RETURNING source, event_id
            """,
            [token_id, now, _rows(sorted(events, key=lambda event: event.key))],
        )
        return {(source, event_id) for source, event_id in cursor.fetchall()}


def _rows(events: Iterable[ReadEvent]) -> str:
    """The rows as one JSON parameter: an array a column costs several times as much to quote."""
    rows = [
        {
            "source": one.event.source,
            "event_id": one.event.id,
            "delivery_id": one.event.delivery_id,
            "meter": one.event.data.meter.value,
            "slot": floor_hour(one.event.data.starts_at),
            "starts_at": one.event.data.starts_at,
            "ends_at": one.event.data.ends_at,
            "quantity": one.event.data.quantity,
            "body": msgspec.Raw(one.body.encode()),
            "body_digest": one.digest,
        }
        for one in events
    ]
    return msgspec.json.encode(rows).decode()


def mark_changed(events: Iterable[ReadEvent]) -> None:
    """Leave word for rating: these slots have readings that it has not counted."""
    slots = {
        (one.event.delivery_id, floor_hour(one.event.data.starts_at))
        for one in events
        if one.event.data.meter is Meter.ALLOCATED
    }
    ChangedSlot.objects.bulk_create(
        [ChangedSlot(delivery_id=delivery, slot=slot) for delivery, slot in sorted(slots)]
    )


def allocated_usage(slots: Collection[SlotKey]) -> dict[SlotKey, Usage]:
    """Allocated card-seconds of the named slots; a slot without any reading is not in the answer."""
    if not slots:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.delivery_id, wanted.slot, usage.quantity, usage.last_reading
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS wanted (delivery_id, slot)
            CROSS JOIN LATERAL (
                SELECT sum(quantity)::bigint AS quantity, max(id) AS last_reading
                FROM metering_reading reading
                WHERE reading.delivery_id = wanted.delivery_id AND reading.slot = wanted.slot
                AND reading.meter = %s
            ) AS usage
            WHERE usage.last_reading IS NOT NULL
            """,
            [[pk for pk, _ in slots], [slot for _, slot in slots], Meter.ALLOCATED.value],
        )
        return {(pk, slot): Usage(*rest) for pk, slot, *rest in cursor.fetchall()}
