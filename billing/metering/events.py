"""The wire format: CloudEvents 1.0 in JSON, read strictly, one event at a time.

A body that is not JSON, or not the shape of a batch, is refused as a whole. Inside a batch each
event is read on its own, so that a malformed one costs only itself.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from billing.metering.models import Meter
from marketplace.api.nesting import DEEPEST, is_deeper
from marketplace.clock import is_of_our_time
from marketplace.errors import DomainError

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
HEADER = "ce-"
MOST_EVENTS = 10_000
MOST_BYTES = 8 * 1024 * 1024
LONGEST_NAME = 200

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_SITE = re.compile(r"urn:cardhour:site:([1-9][0-9]{0,17})(?::.+)?")
_DELIVERY = re.compile(r"delivery/([1-9][0-9]{0,17})")
_DECODER = json.JSONDecoder()
_OPENING, _BETWEEN, _CLOSING = (re.compile(rf"[ \t\n\r]*{mark}[ \t\n\r]*") for mark in (r"\[", ",", r"\]"))
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class MalformedBatch(DomainError):
    code = "malformed_batch"
    title = "The body is not a batch of CloudEvents"
    status = 400


class BatchTooLarge(DomainError):
    code = "batch_too_large"
    title = "The batch is too large"
    status = 413


class MeterData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What was metered in ``[starts_at, ends_at)``; ``quantity`` is in the meter's unit.

    ``corrects`` is the id of an event of the same source that this one takes the place of.
    """

    meter: Meter
    starts_at: Moment
    ends_at: Moment
    quantity: int
    corrects: Name | None = None


class MeterEvent(msgspec.Struct, frozen=True, gc=False):
    """A CloudEvent. Extension attributes are kept in the body and mean nothing here."""

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: Literal["org.cardhour.meter.v1"]
    time: Moment
    subject: Name
    data: MeterData
    datacontenttype: Literal["application/json"] = "application/json"


class _PlainEvent(MeterEvent, frozen=True, forbid_unknown_fields=True, gc=False):
    """One without extension attributes: nothing of it is passed over unread."""


class _Timed(msgspec.Struct):
    time: Moment


class ReadEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that could be read. ``body`` is its JSON as it was received."""

    event: MeterEvent
    body: bytes


class UnreadableEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that could not, with as much of its identity as it has."""

    source: str | None
    id: str | None
    problem: str


@functools.lru_cache(maxsize=10_000)
def site_of(source: str) -> int:
    """The site that a source belongs to; ``ValueError`` when it names none."""
    found = _SITE.fullmatch(source)
    if found is None:
        raise ValueError("`$.source` must be urn:cardhour:site:<id>, with :<part> after it or not")
    return int(found[1])


@functools.lru_cache(maxsize=10_000)
def delivery_of(subject: str) -> int:
    """The delivery that a subject names; ``ValueError`` when it names none."""
    found = _DELIVERY.fullmatch(subject)
    if found is None:
        raise ValueError("`$.subject` must be delivery/<id>")
    return int(found[1])


def key_of(source: str, event_id: str) -> bytes:
    """What an event is known by for ever: 16 bytes of SHA-256. No source holds a U+0000."""
    return hashlib.sha256(f"{source}\0{event_id}".encode()).digest()[:16]


def time_in(body: str) -> datetime:
    """The time that a stored event bears."""
    return msgspec.json.decode(body, type=_Timed).time


def same_body(one: bytes, other: bytes) -> bool:
    """Whether two bodies say the same: the order of members and white space do not matter."""
    return one == other or _canonical(one) == _canonical(other)


def _canonical(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")


def read_batch(content: bytes) -> list[ReadEvent | UnreadableEvent]:
    """The events of a batch, in their order; ``MalformedBatch`` or ``BatchTooLarge`` for the whole."""
    bodies = _split(content)
    if len(bodies) > MOST_EVENTS:
        raise BatchTooLarge(f"The batch has {len(bodies)} events; send at most {MOST_EVENTS} at a time.")
    return _read_all(content, bodies) or [_read(body) for body in bodies]


def _split(content: bytes) -> list[bytes]:
    """The members of a JSON array, as they were written."""
    try:
        return [bytes(item) for item in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        try:
            return list(_split_leniently(content.decode()))
        except (ValueError, RecursionError):
            raise MalformedBatch(f"Send a JSON array of CloudEvents: {error}.") from error


def _split_leniently(text: str) -> Iterator[bytes]:
    """Takes half a surrogate pair for a character, as JSON's grammar does: it costs its event alone."""
    begin = _OPENING.match(text)
    position = begin.end() if begin else len(text)
    while True:
        _, end = _DECODER.raw_decode(text, position)
        yield text[position:end].encode()
        following = _BETWEEN.match(text, end)
        if following is None:
            break
        position = following.end()
    if not _CLOSING.fullmatch(text, end):
        raise ValueError("the array does not end")


def read_single(content: bytes) -> list[ReadEvent | UnreadableEvent]:
    """One event in structured mode, as a batch of one."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBatch(f"Send one CloudEvent as a JSON object: {error}.") from error
    return [_read(content)]


def read_binary(headers: Mapping[str, str], data: bytes) -> list[ReadEvent | UnreadableEvent]:
    """One event in binary mode: its attributes are headers, and the body is its data.

    It is put together as in structured mode, so the same event is the same in either.
    """
    try:
        msgspec.json.decode(data)
        attributes = {
            name.lower().removeprefix(HEADER): _header_value(value)
            for name, value in headers.items()
            if name.lower().startswith(HEADER)
        }
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBatch(f"Send the data of one CloudEvent as JSON: {error}.") from error
    attributes.pop("data", None)
    members = msgspec.json.encode(attributes | {"datacontenttype": "application/json"})
    return read_single(members[:-1] + b',"data":' + data + b"}")


def _header_value(value: str) -> str:
    """What a header of the HTTP binding says: without quotes, and with its percent codes as UTF-8."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return unquote_to_bytes(text.encode("latin-1")).decode()


def _read_all(content: bytes, bodies: Sequence[bytes]) -> list[ReadEvent | UnreadableEvent] | None:
    """All events at once, several times as fast as one by one; ``None`` when one needs a closer look."""
    if b"\\u0000" in content:
        return None
    try:
        events = msgspec.json.decode(content, type=list[_PlainEvent])
        for event in events:
            _check(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return list(map(ReadEvent, events, bodies))


def _read(body: bytes) -> ReadEvent | UnreadableEvent:
    anything: Any = None
    try:
        anything = msgspec.json.decode(body)
        event = msgspec.json.decode(body, type=MeterEvent)
        _check(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return _unreadable(anything, str(error))
    if is_deeper(anything, DEEPEST):
        return _unreadable(anything, f"The event is nested more than {DEEPEST} levels deep")
    if _NUL.search(body):
        return _unreadable(anything, "The character U+0000 cannot be stored")
    return ReadEvent(event, body)


def _check(event: MeterEvent) -> None:
    """``ValueError`` where an attribute is not what its type alone can say."""
    site_of(event.source)
    delivery_of(event.subject)
    if not is_of_our_time(event.time):
        raise ValueError("`$.time` must be between the years 2000 and 2199")


def _unreadable(anything: Any, problem: str) -> UnreadableEvent:
    members = anything if isinstance(anything, dict) else {}
    source, event_id = members.get("source"), members.get("id")
    return UnreadableEvent(
        source=source if isinstance(source, str) else None,
        id=event_id if isinstance(event_id, str) else None,
        problem=problem,
    )
