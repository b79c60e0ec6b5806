"""Taking meter events in: each is answered on its own, and an accepted one is on disk."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import chain
from operator import attrgetter

import msgspec
from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import ApiToken
from billing.metering import staging, storage
from billing.metering.conflicts import Conflict, store_conflicts
from billing.metering.events import (
    MeterEvent,
    ReadEvent,
    UnreadableEvent,
    delivery_of,
    key_of,
    same_body,
    site_of,
)
from billing.metering.partitions import Months, make_missing, month_of
from billing.metering.rules import MeteredDelivery, Reason, Rejection, microseconds, why_rejected
from billing.metering.settling import note, settle
from billing.metering.staging import Row
from billing.metering.storage import Inserted, Known
from marketplace.errors import NotAllowed


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of one event."""

    source: str | None
    id: str | None
    status: Status
    reason: str = ""
    message: str = ""


STATUS = attrgetter("status")
CONFLICT_MESSAGE = (
    "This id was used before with another body. The first one counts; both are kept for an operator. "
    "Send a correction under a new id."
)
CORRECTED = "corrected"
CORRECTED_MESSAGE = (
    "It was corrected since and does not count. Where it is right after all, correct it again."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a batch is judged by, read after its deliveries were locked."""

    deliveries: Mapping[int, MeteredDelivery]
    months: Months
    latest: int


@dataclass(slots=True)
class Batch:
    """The events of a batch, on their way to an answer each."""

    events: Sequence[ReadEvent | UnreadableEvent]
    facts: Facts
    answers: dict[int, Answer] = field(default_factory=dict)
    staged: list[Row] = field(default_factory=list)
    first: dict[bytes, Row] = field(default_factory=dict)
    repeated: list[Row] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """What goes into the stage. Of several events of one id that fit, only the first does."""
        for position, item in enumerate(self.events):
            if isinstance(item, UnreadableEvent):
                self.answers[position] = Answer(
                    item.source, item.id, Status.REJECTED, Reason.MALFORMED, item.problem
                )
                continue
            event = item.event
            delivery = self.facts.deliveries.get(delivery_of(event.subject))
            if delivery is None or delivery.site != site_of(event.source):
                self.answers[position] = _rejected(event, _not_yours(event, delivery))
                continue
            starts, ends = microseconds(event.data.starts_at), microseconds(event.data.ends_at)
            rejection = _why_rejected(event, starts, ends, delivery, self.facts)
            row = Row(position, key_of(event.source, event.id), item, starts, ends, rejection)
            if rejection is None and self.first.setdefault(row.key, row) is not row:
                self.repeated.append(row)
                continue
            self.staged.append(row)
            yield row


def store_events(
    events: Sequence[ReadEvent | UnreadableEvent], *, viewer: Viewer, now: datetime
) -> list[Answer]:
    """Store the events that can be stored and answer all of them, in their order.

    All in one transaction: when this returns and the transaction commits, accepted means stored. The
    deliveries are locked first, in the order of their ids, so that their readings commit in the order
    of the readings' ids and two batches never wait for each other in a circle. ``NotAllowed`` unless
    a token with the right to deliver asks.
    """
    token = _agent_token(viewer)
    with transaction.atomic():
        batch = _begin(events, viewer=viewer, token=token, now=now)
        months = staging.stage(batch.rows())
        known = _store(batch, months, token=token, now=now)
        conflicts = _answer_all(batch, known)
        kept = store_conflicts(conflicts, token=token, now=now) if conflicts else 0
        answers = [batch.answers[position] for position in range(len(events))]
        _record(batch, answers, conflicts=kept, token=token, now=now)
    return answers


def _agent_token(viewer: Viewer) -> ApiToken:
    token = viewer.actor.token if viewer.actor is not None else None
    if token is None or not viewer.organisations_with(Capability.DELIVER):
        raise NotAllowed(
            "Meter events come from the agents of sites, which enrol with a code of the site’s page."
        )
    return token


def _begin(
    events: Sequence[ReadEvent | UnreadableEvent], *, viewer: Viewer, token: ApiToken, now: datetime
) -> Batch:
    readable = [one.event for one in events if isinstance(one, ReadEvent)]
    months, deliveries = storage.begin(
        token.organisation_id,
        alone=any(event.data.corrects is not None for event in readable),
        deliveries=[delivery_of(subject) for subject in {event.subject for event in readable}],
        owners=viewer.organisations_with(Capability.DELIVER),
        site=viewer.site,
    )
    return Batch(events, Facts(deliveries, months, microseconds(now + settings.METER_SKEW_ALLOWED)))


def _not_yours(event: MeterEvent, delivery: MeteredDelivery | None) -> Rejection:
    if delivery is None:
        return Rejection(Reason.UNKNOWN_DELIVERY, f"{event.subject} is no delivery of this agent’s site.")
    return Rejection(
        Reason.OTHER_SITE, f"{event.subject} is delivered by site {delivery.site}, not by {event.source}."
    )


def _why_rejected(
    event: MeterEvent, starts: int, ends: int, delivery: MeteredDelivery, facts: Facts
) -> Rejection | None:
    if rejection := why_rejected(event.data, starts, ends, delivery=delivery, latest=facts.latest):
        return rejection
    if facts.months.detached and month_of(event.data.starts_at) in facts.months.detached:
        return Rejection(Reason.ARCHIVED, "The readings of this month were archived; it takes no more.")
    if event.data.corrects == event.id:
        return Rejection(Reason.CORRECTS_ITSELF, "An event cannot correct itself; give it an id of its own.")
    return None


def _store(batch: Batch, months: set[date], *, token: ApiToken, now: datetime) -> Mapping[int, Known]:
    """Store what is new and fits; returns what was known before, by position."""
    if missing := months - batch.facts.months.attached:
        make_missing(missing)
    inserted = storage.insert(token_id=token.pk, now=now)
    known = storage.known_before() if inserted.count < len(batch.staged) else {}
    new = [
        row
        for row in batch.first.values()
        if row.event.event.data.corrects is not None and row.position not in known
    ]
    if new or inserted.corrected:
        _settle(new, inserted, token=token, now=now)
    return known


def _settle(new: Sequence[Row], inserted: Inserted, *, token: ApiToken, now: datetime) -> None:
    """Store new corrections, and take back what they, or earlier ones of what arrived now, correct."""
    settlement = settle(new, storage.corrected_in_stage() if inserted.corrected else ())
    for row in new:
        row.rejection = settlement.rejections.get(row.key)
    admitted = [row for row in new if row.rejection is None]
    if admitted:
        staging.admit([row.position for row in admitted])
        storage.insert(token_id=token.pk, now=now)
        note(admitted)
    if settlement.cancelled:
        storage.cancel(settlement.cancelled, token_id=token.pk, now=now)


def _answer_all(batch: Batch, known: Mapping[int, Known]) -> list[Conflict]:
    """Answer what was staged and what repeats it; returns the conflicts among them."""
    conflicts = []
    for row in batch.repeated:
        row.rejection = batch.first[row.key].rejection
    for row in chain(batch.staged, batch.repeated):
        counted = _counted(row, batch, known)
        if counted is not None and _is_same(counted, row):
            answer = _duplicate(row, known)
        elif counted is not None:
            conflicts.append(Conflict(row, counted))
            answer = _answer(row, Status.CONFLICT, "conflict", CONFLICT_MESSAGE)
        elif row.rejection is not None:
            answer = _rejected(row.event.event, row.rejection)
        else:
            answer = _answer(row, Status.ACCEPTED)
            batch.accepted.append(row.key)
        batch.answers[row.position] = answer
    return conflicts


def _duplicate(row: Row, known: Mapping[int, Known]) -> Answer:
    """Who lost its records learns from it whether what it sends again is what counts."""
    earlier = known.get(row.position)
    if earlier is not None and earlier.is_corrected:
        return _answer(row, Status.DUPLICATE, CORRECTED, CORRECTED_MESSAGE)
    return _answer(row, Status.DUPLICATE)


def _counted(row: Row, batch: Batch, known: Mapping[int, Known]) -> bytes | None:
    """The body that counted under the row's id when its turn came; ``None`` where there was none."""
    first = batch.first.get(row.key, row)
    earlier = known.get(first.position)
    if earlier is not None:
        return first.event.body if earlier.is_same else earlier.body
    is_new = row.position <= first.position or first.rejection is not None
    return None if is_new else first.event.body


def _is_same(counted: bytes, row: Row) -> bool:
    """Of a month that was detached no body is left, and what is not the same to the byte is another."""
    return bool(counted) and same_body(counted, row.event.body)


def _answer(row: Row, status: Status, reason: str = "", message: str = "") -> Answer:
    return Answer(row.event.event.source, row.event.event.id, status, reason, message)


def _rejected(event: MeterEvent, rejection: Rejection) -> Answer:
    return Answer(event.source, event.id, Status.REJECTED, rejection.reason, rejection.message)


def _record(
    batch: Batch, answers: Sequence[Answer], *, conflicts: int, token: ApiToken, now: datetime
) -> None:
    """One audit event a batch that stored something: how many of what, and a digest of the keys."""
    if not (batch.accepted or conflicts):
        return
    audit.record(
        actor=Actor(token=token),
        action="metering.batch_stored",
        target=token,
        organisation=token.organisation_id,
        now=now,
        data={
            **{status.value: count for status, count in Counter(map(STATUS, answers)).items()},
            "new_conflicts": conflicts,
            "accepted_keys_sha256": hashlib.sha256(b"".join(batch.accepted)).hexdigest(),
        },
    )
