"""Readings held against the events that they were made of."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from billing.metering.events import MeterEvent, delivery_of, key_of
from billing.metering.models import EventKey, Reading


@dataclass(frozen=True, slots=True)
class Altered:
    """A reading that does not say what its event says."""

    reading: Reading
    what: str
    stored: str
    event: str


def altered(readings: Sequence[Reading]) -> Iterator[Altered]:
    """Where readings differ from the bodies of their events, or the bodies from what arrived."""
    keys = {reading.pk: uuid.UUID(bytes=key_of(reading.source, reading.event_id)) for reading in readings}
    known = EventKey.objects.in_bulk(set(keys.values()))
    for reading in readings:
        event = msgspec.json.decode(reading.body, type=MeterEvent)
        facts = {
            "source": (reading.source, event.source),
            "id": (reading.event_id, event.id),
            "delivery": (reading.delivery_id, delivery_of(event.subject)),
            "meter": (reading.meter, event.data.meter.value),
            "starts_at": (reading.starts_at, event.data.starts_at),
            "ends_at": (reading.ends_at, event.data.ends_at),
            "quantity": (reading.quantity, reading.sign * event.data.quantity),
            "digest": (_digest_of(reading.body), _digest_when_stored(known.get(keys[reading.pk]))),
        }
        for what, (stored, told) in facts.items():
            if stored != told:
                yield Altered(reading, what, str(stored), str(told))


def _digest_of(body: str) -> str:
    return hashlib.sha256(body.encode()).digest()[:16].hex()


def _digest_when_stored(key: EventKey | None) -> str:
    return "nothing" if key is None else key.digest.hex
