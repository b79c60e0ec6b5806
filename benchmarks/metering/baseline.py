"""The same rows with COPY alone: into the readings and their keys, with all indexes, a commit a batch.

Nothing is parsed, judged, looked up or added up; the rows are encoded before the clock starts. So this
is as fast as the tables can be written in batches of that size.
"""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from psycopg import Connection

from billing.metering.events import MeterEvent, ReadEvent, delivery_of, key_of
from billing.metering.rules import microseconds
from billing.metering.staging import COPY_HEADER, COPY_TRAILER

COPY_READINGS = """
    COPY metering_reading (id, delivery_id, token_id, slot, starts_at, ends_at, quantity, received_at,
                           stored_at, sign, meter, source, event_id, body) FROM STDIN (FORMAT binary)
"""
COPY_KEYS = "COPY metering_eventkey (key, digest, reading, slot) FROM STDIN (FORMAT binary)"
LONG = struct.Struct(">iq")
LENGTH = struct.Struct(">i")


Encoded = tuple[bytes, bytes]


class Baseline:
    def __init__(self, connection: Connection, token: int) -> None:
        self._connection = connection
        self._token = token

    def seconds(self, encoded: Encoded) -> float:
        """How long it takes to write these rows, from the first byte to the end of the commit."""
        began = time.perf_counter()
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for statement, content in zip((COPY_READINGS, COPY_KEYS), encoded, strict=True):
                with cursor.copy(statement) as copy:
                    copy.write(content)
        return time.perf_counter() - began

    def encoded(self, batch: Sequence[bytes]) -> Encoded:
        """The rows of the readings, and of the keys."""
        (first,) = self._connection.execute(
            "SELECT setval('metering_reading_id_seq', nextval('metering_reading_id_seq') + %s) - %s",
            [len(batch), len(batch)],
        ).fetchone() or (0,)
        readings, keys = [], []
        for number, body in enumerate(batch, first):
            event = ReadEvent(msgspec.json.decode(body, type=MeterEvent), body)
            slot = _moment(event.event.data.starts_at.replace(minute=0))
            readings.append(self._reading(number, slot, event))
            digest = LENGTH.pack(16) + uuid.uuid4().bytes
            keys.append((key_of(event.event.source, event.event.id), digest, LONG.pack(8, number), slot))
        rows = [struct.pack(">h", 4) + LENGTH.pack(16) + b"".join(row) for row in sorted(keys)]
        return _framed(readings), _framed(rows)

    def _reading(self, number: int, slot: bytes, event: ReadEvent) -> bytes:
        now = _moment(datetime.now(UTC))
        data = event.event.data
        longs = (LONG.pack(8, value) for value in (number, delivery_of(event.event.subject), self._token))
        texts = (data.meter.value.encode(), event.event.source.encode(), event.event.id.encode(), event.body)
        return b"".join(
            (
                struct.pack(">h", 14), *longs, slot, _moment(data.starts_at), _moment(data.ends_at),
                LONG.pack(8, data.quantity), now, now, struct.pack(">ih", 2, 1),
                *(LENGTH.pack(len(text)) + text for text in texts),
            )
        )  # fmt: skip


def _moment(moment: datetime) -> bytes:
    return LONG.pack(8, microseconds(moment))


def _framed(rows: Sequence[bytes]) -> bytes:
    return COPY_HEADER + b"".join(rows) + COPY_TRAILER
