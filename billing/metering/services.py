"""Taking meter events in: each is answered on its own, and an accepted one is on disk."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import ApiToken
from billing.metering import storage
from billing.metering.events import ReadEvent, UnreadableEvent
from billing.metering.models import ReadingConflict
from billing.metering.rules import Reason, Rejection, why_rejected
from billing.metering.storage import EventKey
from marketplace.delivery.models import Delivery
from marketplace.errors import NotAllowed
from marketplace.supply.models import Site


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one event."""

    source: str | None
    id: str | None
    status: Status
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a batch is judged by, read after its deliveries were locked."""

    sites: Collection[int]
    deliveries: Mapping[int, Delivery]
    stored: Mapping[EventKey, storage.StoredReading]
    latest: datetime


@dataclass(slots=True)
class Sorting:
    """The events of a batch, sorted by what is to be done with them."""

    answers: list[Answer] = field(default_factory=list)
    new: dict[EventKey, ReadEvent] = field(default_factory=dict)
    conflicting: list[ReadEvent] = field(default_factory=list)


CONFLICT_MESSAGE = (
    "This id was used before with another body. The first one counts; both are kept for an operator. "
    "Send a correction under a new id."
)


class _Raced(Exception):
    """Another transaction stored one of our events after we had looked."""


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
    while True:
        try:
            with transaction.atomic():
                return _store(events, viewer=viewer, token=token, now=now)
        except _Raced:
            # Two batches used the same id for different deliveries, which no lock keeps apart. The
            # other one is committed now, so the second look sees it.
            continue


def _store(
    events: Sequence[ReadEvent | UnreadableEvent], *, viewer: Viewer, token: ApiToken, now: datetime
) -> list[Answer]:
    readable = [event for event in events if isinstance(event, ReadEvent)]
    facts = _facts(readable, viewer=viewer, now=now)
    sorting = Sorting()
    for event in events:
        sorting.answers.append(_sort(event, facts, sorting))
    if storage.insert_readings([*sorting.new.values()], token_id=token.pk, now=now) != sorting.new.keys():
        raise _Raced
    storage.mark_changed(sorting.new.values())
    conflicts = _store_conflicts(sorting.conflicting, token=token, now=now)
    if sorting.new or conflicts:
        _record(sorting, conflicts=conflicts, token=token, now=now)
    return sorting.answers


def _agent_token(viewer: Viewer) -> ApiToken:
    token = viewer.actor.token if viewer.actor is not None else None
    if token is None or not viewer.organisations_with(Capability.DELIVER):
        raise NotAllowed("Meter events need an API token with the scope agent of the site's owner.")
    return token


def _facts(events: Sequence[ReadEvent], *, viewer: Viewer, now: datetime) -> Facts:
    owners = viewer.organisations_with(Capability.DELIVER)
    sites = Site.objects.filter(owner__in=owners, pk__in={one.event.site_id for one in events})
    deliveries = (
        Delivery.objects.filter(site__owner__in=owners, pk__in={one.event.delivery_id for one in events})
        .select_related("agreement")
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    locked = {delivery.pk: delivery for delivery in deliveries}
    return Facts(
        sites=set(sites.values_list("pk", flat=True)),
        deliveries=locked,
        stored=storage.readings_by_key({one.key for one in events}),
        latest=now + settings.METER_SKEW_ALLOWED,
    )


def _sort(event: ReadEvent | UnreadableEvent, facts: Facts, sorting: Sorting) -> Answer:
    """Decide about one event. What is known already is not judged again: the world may have moved on."""
    if isinstance(event, UnreadableEvent):
        return Answer(event.source, event.id, Status.REJECTED, Reason.MALFORMED, event.problem)
    if event.event.site_id in facts.sites and (known := _known_digest(event.key, facts, sorting)):
        if known == event.digest:
            return Answer(*event.key, Status.DUPLICATE)
        sorting.conflicting.append(event)
        return Answer(*event.key, Status.CONFLICT, "conflict", CONFLICT_MESSAGE)
    if rejection := _why_rejected(event, facts):
        return Answer(*event.key, Status.REJECTED, rejection.reason, rejection.message)
    sorting.new[event.key] = event
    return Answer(*event.key, Status.ACCEPTED)


def _known_digest(key: EventKey, facts: Facts, sorting: Sorting) -> str | None:
    if key in facts.stored:
        return facts.stored[key].digest
    return sorting.new[key].digest if key in sorting.new else None


def _why_rejected(event: ReadEvent, facts: Facts) -> Rejection | None:
    delivery = facts.deliveries.get(event.event.delivery_id)
    if delivery is None or event.event.site_id not in facts.sites:
        return Rejection(
            Reason.UNKNOWN_DELIVERY,
            f"{event.event.subject} at {event.event.source} is no delivery of this token's organisation.",
        )
    if delivery.site_id != event.event.site_id:
        return Rejection(
            Reason.OTHER_SITE,
            f"{event.event.subject} is delivered by site {delivery.site_id}, not by {event.event.source}.",
        )
    cards = delivery.agreement.cards
    return why_rejected(event.event.data, delivery=delivery, cards=cards, latest=facts.latest)


def _store_conflicts(events: Sequence[ReadEvent], *, token: ApiToken, now: datetime) -> int:
    """Keep each conflicting body once; returns how many were new."""
    readings = storage.readings_by_key({event.key for event in events})
    bodies = {(readings[event.key].pk, event.digest): event.body for event in events}
    kept = ReadingConflict.objects.filter(reading__in={pk for pk, _ in bodies}).values_list(
        "reading_id", "body_digest"
    )
    fresh = sorted(bodies.keys() - set(kept))
    ReadingConflict.objects.bulk_create(
        [
            ReadingConflict(
                reading_id=pk,
                body=json.loads(bodies[pk, digest]),
                body_digest=digest,
                token=token,
                received_at=now,
            )
            for pk, digest in fresh
        ],
        ignore_conflicts=True,
    )
    return len(fresh)


def _record(sorting: Sorting, *, conflicts: int, token: ApiToken, now: datetime) -> None:
    """One audit event a batch: how many of what, and which ids, as a digest of their sorted list."""
    counts = Counter(answer.status.value for answer in sorting.answers)
    ids = json.dumps(sorted(sorting.new), separators=(",", ":"), ensure_ascii=False)
    audit.record(
        actor=Actor(token=token),
        action="metering.batch_stored",
        target=token,
        organisation=token.organisation_id,
        now=now,
        data={
            **counts,
            "new_conflicts": conflicts,
            "accepted_ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
        },
    )
