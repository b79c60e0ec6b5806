"""The stage: a table of the connection that the rows of a batch are copied into.

It is written without a log, nobody else sees it, and it is empty when the transaction ends.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Collection, Iterable
from datetime import date
from itertools import islice

import msgspec
from django.db import connection

from billing.metering.events import ReadEvent, delivery_of, key_of
from billing.metering.partitions import month_of
from billing.metering.rules import HOUR, Rejection, moment_at

ROWS_A_CHUNK = 256

STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS metering_stage (
        position integer NOT NULL, key uuid NOT NULL, digest uuid NOT NULL, fits boolean NOT NULL,
        delivery_id bigint NOT NULL, slot timestamptz NOT NULL, starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL, quantity bigint NOT NULL, meter text NOT NULL, source text NOT NULL,
        event_id text NOT NULL, body text NOT NULL,
        id bigint NOT NULL DEFAULT nextval('metering_reading_id_seq')
    ) ON COMMIT DELETE ROWS
"""
COPY = """
    COPY metering_stage (position, key, digest, fits, delivery_id, slot, starts_at, ends_at, quantity,
                         meter, source, event_id, body)
    FROM STDIN (FORMAT binary)
"""
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
LENGTH = struct.Struct(">i")
# 13 columns; those of a fixed width, each after its length. Of a longer digest the first half is taken.
FIXED = struct.Struct(">h" + "ii" + "i16si16s" + "i?" + "iqiqiqiqiq")


class Row(msgspec.Struct, gc=False):
    """A readable event of this organisation, on its way into the tables that last.

    One with a ``rejection`` is only looked up by its key: it may have been stored when it still fitted.
    So is a correction at first: what others say about the same event decides whether it goes in.
    """

    position: int
    key: bytes
    event: ReadEvent
    starts: int
    ends: int
    rejection: Rejection | None

    @property
    def corrects(self) -> bytes | None:
        name = self.event.event.data.corrects
        return None if name is None else key_of(self.event.event.source, name)

    @property
    def fits(self) -> bool:
        return self.rejection is None and self.event.event.data.corrects is None


def stage(rows: Iterable[Row]) -> set[date]:
    """Copy rows into the stage, while they come; returns the months of those that fit."""
    encoder = RowEncoder()
    encoded = map(encoder.encode, rows)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(COPY_HEADER)
        while chunk := b"".join(islice(encoded, ROWS_A_CHUNK)):
            copy.write(chunk)
        copy.write(COPY_TRAILER)
    return encoder.months


def admit(positions: Collection[int]) -> None:
    """Let staged rows in that were only looked up before."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_stage SET fits = true WHERE position = ANY(%s)", [list(positions)])


class RowEncoder:
    """Rows of the stage in PostgreSQL's binary format of COPY, and the months of those that fit."""

    def __init__(self) -> None:
        self._slots: set[int] = set()

    @property
    def months(self) -> set[date]:
        return {month_of(moment_at(slot)) for slot in self._slots}

    def encode(self, row: Row) -> bytes:
        event, body = row.event.event, row.event.body
        slot = starts = ends = quantity = 0
        if row.rejection is None:
            starts, ends, quantity = row.starts, row.ends, event.data.quantity
            slot = starts - starts % HOUR
            self._slots.add(slot)
        name = event.id.encode()
        fixed = FIXED.pack(
            13, 4, row.position, 16, row.key, 16, hashlib.sha256(body).digest(), 1, row.fits,
            8, delivery_of(event.subject), 8, slot, 8, starts, 8, ends, 8, quantity,
        )  # fmt: skip
        texts = _text(event.data.meter), _text(event.source), LENGTH.pack(len(name)), name
        return b"".join((fixed, *texts, LENGTH.pack(len(body)), body))


@functools.lru_cache(maxsize=10_000)
def _text(text: str) -> bytes:
    """A text that many rows have, as a field."""
    content = text.encode()
    return LENGTH.pack(len(content)) + content
