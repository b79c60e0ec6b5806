"""Whole batches in single statements: what the ORM has no words for.

The rows of a batch are in the stage. One INSERT takes them from there into the tables that last, and
finds out which of their ids are new.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from billing.metering.corrections import Node
from billing.metering.events import time_in
from billing.metering.hours import SUMS
from billing.metering.models import Meter
from billing.metering.partitions import MONTHS, Months, months_in
from billing.metering.rules import BEGINNING, MeteredDelivery
from billing.metering.staging import STAGE

SlotKey = tuple[int, datetime]

METERING_LOCK = 0x3E7E
# Of whoever stores readings: held until its transaction ends, under the number that all its readings exceed.
UNDER_WAY = 0x3E7F
# A lock's number has 31 bits.
NUMBERS = 2**31

LAST_READING = "coalesce(pg_sequence_last_value('metering_reading_id_seq'), 0)"
SHOW_UNDER_WAY = f"pg_advisory_xact_lock_shared({UNDER_WAY}, mod({LAST_READING}, {NUMBERS})::integer)"
READING = """
    id, delivery_id, token_id, slot, starts_at, ends_at, quantity, received_at, stored_at, sign, meter,
    source, event_id, body
"""
DELIVERIES = """
    SELECT delivery.id, delivery.site_id, delivery.state, agreement.cards,
           (extract(epoch FROM active_from - %s) * 1000000)::bigint,
           (extract(epoch FROM coalesce(active_until, delivery.ends_at) - %s) * 1000000)::bigint
    FROM delivery_delivery delivery
    JOIN supply_site site ON site.id = delivery.site_id
    JOIN agreements_agreement agreement ON agreement.id = delivery.agreement_id
    WHERE delivery.id = ANY(%s) AND site.owner_id = ANY(%s) AND site.id = coalesce(%s, site.id)
    ORDER BY delivery.id FOR NO KEY UPDATE OF delivery
"""
# What follows from readings that are being stored, whichever they are.
CONSEQUENCES = f"""
    changed AS (
        INSERT INTO metering_changedslot (delivery_id, slot, reading)
        SELECT delivery_id, slot, max(id) FROM stored WHERE meter = '{Meter.ALLOCATED.value}'
        GROUP BY delivery_id, slot
    ), hours AS (
        INSERT INTO metering_meteredhour AS kept (delivery_id, slot, meter, quantity, weight, readings)
        SELECT delivery_id, slot, meter, {SUMS} FROM stored
        GROUP BY delivery_id, slot, meter ORDER BY delivery_id, slot, meter
        ON CONFLICT (delivery_id, slot, meter) DO UPDATE SET
            quantity = kept.quantity + excluded.quantity,
            weight = kept.weight + excluded.weight,
            readings = kept.readings + excluded.readings
    )
"""  # noqa: S608 constants of this module
# Keys go in sorted, so that two batches with common events wait for each other in turn.
INSERT = f"""
    WITH fresh AS (
        INSERT INTO metering_eventkey (key, digest, reading, slot)
        SELECT key, digest, id, slot FROM metering_stage WHERE fits ORDER BY key
        ON CONFLICT (key) DO NOTHING RETURNING key, reading
    ), stored AS (
        INSERT INTO metering_reading ({READING})
        SELECT id, delivery_id, %s, slot, starts_at, ends_at, quantity, %s, statement_timestamp(), 1, meter,
               source, event_id, body
        FROM metering_stage JOIN fresh ON fresh.reading = metering_stage.id ORDER BY id
        RETURNING id, delivery_id, slot, meter, starts_at, ends_at, quantity, sign
    ), {CONSEQUENCES}
    SELECT count(*), count(*) FILTER (WHERE key IN (SELECT corrects FROM metering_readingcorrection))
    FROM fresh
"""  # noqa: S608 constants of this module
CANCEL = f"""
    WITH cancelled AS (
        INSERT INTO metering_readingcancellation (event_id) SELECT unnest(%s::uuid[]) RETURNING event_id
    ), stored AS (
        INSERT INTO metering_reading ({READING})
        SELECT nextval('metering_reading_id_seq'), delivery_id, %s, reading.slot, starts_at, ends_at,
               -quantity, %s, statement_timestamp(), -1, meter, source, reading.event_id, body
        FROM cancelled
        JOIN metering_eventkey known ON known.key = cancelled.event_id
        JOIN metering_reading reading ON reading.id = known.reading AND reading.slot = known.slot
        ORDER BY reading.id
        RETURNING id, delivery_id, slot, meter, starts_at, ends_at, quantity, sign
    ), {CONSEQUENCES}
    SELECT count(*) FROM stored
"""  # noqa: S608 constants of this module


@dataclass(frozen=True, slots=True)
class Inserted:
    """How many events were new, and how many of these are named by corrections that came before."""

    count: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Known:
    """What was stored before under an event's key. ``body`` is given where it is another one.

    An empty body is one whose month was detached. ``is_corrected`` is one that counts no more.
    """

    key: bytes
    is_same: bool
    body: bytes
    is_corrected: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Card-seconds of a slot, and the newest reading among them."""

    quantity: int
    last_reading: int


def begin(
    organisation_id: int,
    *,
    alone: bool,
    deliveries: Collection[int],
    owners: Collection[int],
    site: int | None,
) -> tuple[Months, dict[int, MeteredDelivery]]:
    """Open the stage and lock the deliveries of the owners' sites, or of one, in the order of their ids.

    Returns the months that have partitions, which do not change before the transaction ends, and the
    deliveries. What corrects others is stored ``alone`` in its organisation: an event and its correction
    may name different deliveries, so their locks alone would not keep the two apart.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {lock}({METERING_LOCK}, %s), {SHOW_UNDER_WAY};
            LOCK TABLE ONLY metering_reading IN ROW EXCLUSIVE MODE;
            {STAGE};
            DELETE FROM metering_stage;
            {MONTHS};
            {DELIVERIES}
            """,  # noqa: S608 constants of this module
            [organisation_id % 2**31, BEGINNING, BEGINNING, list(deliveries), list(owners), site],
        )
        for _ in range(4):
            cursor.nextset()
        months = months_in(cursor.fetchall())
        cursor.nextset()
        return months, {row[0]: MeteredDelivery(*row) for row in cursor.fetchall()}


def insert(*, token_id: int, now: datetime) -> Inserted:
    """Store the staged rows that fit, unless their keys are known."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [token_id, now])
        return Inserted(*cursor.fetchone())


def known_before() -> dict[int, Known]:
    """The staged rows, by position, whose key another reading has, of this batch or an earlier one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT staged.position, uuid_send(known.key), known.digest = staged.digest,
                   convert_to(coalesce(reading.body, ''), 'UTF8'), cancellation.event_id IS NOT NULL
            FROM metering_stage staged JOIN metering_eventkey known USING (key)
            LEFT JOIN metering_readingcancellation cancellation ON cancellation.event_id = known.key
            LEFT JOIN metering_reading reading ON known.digest <> staged.digest
                AND reading.id = known.reading AND reading.slot = known.slot
            WHERE known.reading <> staged.id
            """
        )
        return {
            position: Known(bytes(key), is_same, bytes(body), is_corrected)
            for position, key, is_same, body, is_corrected in cursor
        }


def corrected_in_stage() -> list[bytes]:
    """The keys of the staged rows that corrections name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT uuid_send(key) FROM metering_stage
            WHERE fits AND key IN (SELECT corrects FROM metering_readingcorrection)
            """
        )
        return [bytes(key) for (key,) in cursor.fetchall()]


def cancel(keys: Collection[bytes], *, token_id: int, now: datetime) -> None:
    """Take back the readings of these events, each once."""
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, [[key.hex() for key in sorted(keys)], token_id, now])


@dataclass(frozen=True, slots=True)
class Relative:
    """A stored event of a family of corrections.

    ``node`` is None where its month was detached and nothing but its key is left here.
    """

    key: bytes
    node: Node | None
    is_cancelled: bool
    is_here: bool


def relatives(keys: Collection[bytes]) -> list[Relative]:
    """The stored events among these, and all that they correct or are corrected by, however remotely."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE family (key) AS (
                SELECT unnest(%s::uuid[])
                UNION
                SELECT relative.key FROM family CROSS JOIN LATERAL (
                    SELECT corrects AS key FROM metering_readingcorrection WHERE event_id = family.key
                    UNION ALL
                    SELECT event_id FROM metering_readingcorrection WHERE corrects = family.key
                ) AS relative
            )
            SELECT uuid_send(key), uuid_send(correction.corrects),
                   coalesce(correction.delivery_id, reading.delivery_id),
                   coalesce(correction.meter, reading.meter), correction.occurred_at, reading.body,
                   cancellation.event_id IS NOT NULL
            FROM family JOIN metering_eventkey known USING (key)
            LEFT JOIN metering_readingcorrection correction ON correction.event_id = key
            LEFT JOIN metering_readingcancellation cancellation ON cancellation.event_id = key
            LEFT JOIN metering_reading reading ON reading.id = known.reading AND reading.slot = known.slot
            """,
            [[key.hex() for key in keys]],
        )
        return [_relative(*row) for row in cursor.fetchall()]


def _relative(
    key: bytes,
    corrects: bytes | None,
    delivery: int | None,
    meter: str | None,
    time: datetime | None,
    body: str | None,
    is_cancelled: bool,
) -> Relative:
    if time is None and body is not None:
        time = time_in(body)
    node = None
    if delivery is not None and meter is not None and time is not None:
        node = Node(bytes(key), None if corrects is None else bytes(corrects), delivery, meter, time)
    return Relative(bytes(key), node, is_cancelled, is_here=body is not None)


@dataclass(frozen=True, slots=True)
class Cutoff:
    """A point in the order of readings: everything up to ``reading`` that is ever stored is stored now.

    ``stored_at`` is when that was so, on the database's clock.
    """

    reading: int
    stored_at: datetime


def cutoff_now() -> Cutoff:
    """The newest point that no transaction under way can add a reading before.

    Whoever stores readings shows, before it numbers the first, the number that all of them will exceed. The
    last number is read before the list of those who store: who is not on it yet numbers its readings later.
    Nobody waits for anybody.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LAST_READING}, statement_timestamp()")
        last, stored_at = cursor.fetchone()
        cursor.execute(
            """
            SELECT objid::bigint FROM pg_locks
            WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND pid <> pg_backend_pid()
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            [UNDER_WAY],
        )
        behind = [(last - shown) % NUMBERS for (shown,) in cursor.fetchall()]
    # Whoever seems to be half of all numbers behind began after the last number was read.
    return Cutoff(last - max((each for each in behind if each < NUMBERS // 2), default=0), stored_at)


def allocated_usage(slots: Collection[SlotKey], *, until: int) -> dict[SlotKey, Usage]:
    """Allocated card-seconds of the named slots by the readings up to ``until``.

    A slot without any such reading is not in the answer.
    """
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
                AND reading.meter = %s AND reading.id <= %s
            ) AS usage
            WHERE usage.last_reading IS NOT NULL
            """,
            [[pk for pk, _ in slots], [slot for _, slot in slots], Meter.ALLOCATED.value, until],
        )
        return {(pk, slot): Usage(*rest) for pk, slot, *rest in cursor.fetchall()}
