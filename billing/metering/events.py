"""The wire format: CloudEvents 1.0 in JSON, read strictly, one event at a time.

A body that is not JSON, or not the shape of a batch, is refused as a whole. Inside a batch each
event is read on its own, so that a malformed one costs only itself.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from billing.metering.models import Meter
from marketplace.api.nesting import DEEPEST, is_deeper
from marketplace.errors import DomainError

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
MOST_EVENTS = 10_000
MOST_BYTES = 8 * 1024 * 1024
LONGEST_NAME = 200

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
# PostgreSQL stores no U+0000; an odd number of backslashes before it would make it one.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class MalformedBatch(DomainError):
    code = "malformed_batch"
    title = "The body is not a batch of CloudEvents"
    status = 400


class BatchTooLarge(DomainError):
    code = "batch_too_large"
    title = "The batch is too large"
    status = 413


class MeterData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was metered in ``[starts_at, ends_at)``; ``quantity`` is in the meter's unit."""

    meter: Meter
    starts_at: Moment
    ends_at: Moment
    quantity: int


class MeterEvent(msgspec.Struct, frozen=True):
    """A CloudEvent. Extension attributes are kept in the body and mean nothing here."""

    specversion: Literal["1.0"]
    id: Name
    source: Annotated[
        str, msgspec.Meta(pattern=r"\Aurn:cardhour:site:[1-9][0-9]{0,17}(:.+)?\Z", max_length=LONGEST_NAME)
    ]
    type: Literal["org.cardhour.meter.v1"]
    time: Moment
    subject: Annotated[str, msgspec.Meta(pattern=r"\Adelivery/[1-9][0-9]{0,17}\Z")]
    data: MeterData
    datacontenttype: Literal["application/json"] = "application/json"

    @property
    def site_id(self) -> int:
        return int(self.source.split(":")[3])

    @property
    def delivery_id(self) -> int:
        return int(self.subject.removeprefix("delivery/"))


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event that could be read. ``body`` is its canonical JSON, ``digest`` the SHA-256 of it."""

    event: MeterEvent
    body: str
    digest: str

    @property
    def key(self) -> tuple[str, str]:
        return self.event.source, self.event.id


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An event that could not, with as much of its identity as it has."""

    source: str | None
    id: str | None
    problem: str


def read_batch(content: bytes) -> list[ReadEvent | UnreadableEvent]:
    """The events of a batch, in their order; ``MalformedBatch`` or ``BatchTooLarge`` for the whole."""
    try:
        items = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBatch(f"Send a JSON array of CloudEvents: {error}.") from error
    if len(items) > MOST_EVENTS:
        raise BatchTooLarge(f"The batch has {len(items)} events; send at most {MOST_EVENTS} at a time.")
    return [_read(bytes(item)) for item in items]


def read_single(content: bytes) -> list[ReadEvent | UnreadableEvent]:
    """One event in structured mode, as a batch of one."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBatch(f"Send one CloudEvent as a JSON object: {error}.") from error
    return [_read(content)]


def _read(content: bytes) -> ReadEvent | UnreadableEvent:
    anything: Any = None
    try:
        anything = msgspec.json.decode(content)
        event = msgspec.json.decode(content, type=MeterEvent)
        canonical = msgspec.json.encode(anything, order="deterministic")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(anything, str(error))
    if is_deeper(anything, DEEPEST):
        return _unreadable(anything, f"The event is nested more than {DEEPEST} levels deep")
    if _NUL.search(canonical):
        return _unreadable(anything, "The character U+0000 cannot be stored")
    return ReadEvent(event, canonical.decode(), hashlib.sha256(canonical).hexdigest())


def _unreadable(anything: Any, problem: str) -> UnreadableEvent:
    members = anything if isinstance(anything, dict) else {}
    source, event_id = members.get("source"), members.get("id")
    return UnreadableEvent(
        source=source if isinstance(source, str) else None,
        id=event_id if isinstance(event_id, str) else None,
        problem=problem,
    )
