"""The audit chain: written with each change, sealed in order afterwards, verifiable by anyone.

An event's digest is SHA-256 over its canonical JSON. A seal's digest is SHA-256 over the previous
seal's digest and the event's. Changing, removing or inserting a row behind the code's back breaks
one of them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models, transaction

from accounts.actors import Actor
from accounts.models import AuditEvent, AuditSeal, Organisation, PersonalFact

GENESIS = "0" * 64
SEALING_LOCK = 0x5EA1


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def event_digest(event: AuditEvent) -> str:
    content = {
        "occurred_at": event.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "user": event.user_id,
        "token": event.token_id,
        "task": event.task,
        "organisation": event.organisation_id,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "data": event.data,
    }
    return _sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def record(
    *,
    actor: Actor,
    action: str,
    target: models.Model,
    now: datetime,
    organisation: Organisation | int | None = None,
    data: dict[str, Any] | None = None,
    personal: Mapping[str, str] | None = None,
) -> AuditEvent:
    """Write down who did what, in the transaction that does it.

    ``data`` holds JSON values only (decimals and times as strings). What is ``personal`` is kept beside the
    event, which gets a commitment to it. Raises ``RuntimeError`` outside a
    transaction: an event that could survive without its change proves nothing.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"audit event {action!r} outside of a transaction")
    facts = [
        PersonalFact(name=name, salt=secrets.token_hex(32), value=value)
        for name, value in (personal or {}).items()
    ]
    event = AuditEvent(
        occurred_at=now,
        user=actor.user,
        token=actor.token,
        task=actor.task,
        organisation_id=organisation.pk if isinstance(organisation, Organisation) else organisation,
        action=action,
        object_type=target._meta.label_lower,
        object_id=str(target.pk),
        data=(data or {}) | {fact.name: commitment(fact) for fact in facts},
    )
    event.digest = event_digest(event)
    event.save(force_insert=True)
    for fact in facts:
        fact.event = event
        fact.save(force_insert=True)
    return event


def commitment(fact: PersonalFact) -> str:
    """What an event says instead of something personal: checkable with the fact, and nothing without it."""
    return f"sha256:{_sha256(fact.salt + fact.value)}"


def seal(*, limit: int = 10_000) -> int:
    """Chain up to ``limit`` committed events that no seal names yet; returns how many.

    One sealer at a time: a second one finds the lock taken and leaves the work to the first.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SEALING_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        last = AuditSeal.objects.order_by("-position").first()
        position, previous = (last.position, last.digest) if last else (0, GENESIS)
        seals = []
        for event in AuditEvent.objects.filter(seal=None).order_by("pk")[:limit]:
            position += 1
            digest = _sha256(previous + event.digest)
            seals.append(AuditSeal(position=position, event=event, previous=previous, digest=digest))
            previous = digest
        AuditSeal.objects.bulk_create(seals)
        return len(seals)


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold."""

    position: int | None
    event: int | None
    problem: str


def verify_chain(*, now: datetime, sealed_within: timedelta = timedelta(minutes=10)) -> Iterator[Break]:
    """Every break of the chain. ``now`` is wall time; an older event without a seal is a break too.

    Sealing lags behind by seconds, so an event without a seal is only suspicious when events that
    were written after it are sealed already for ``sealed_within``.
    """
    position, previous = 0, GENESIS
    for link in AuditSeal.objects.select_related("event").order_by("position").iterator():
        if link.position != position + 1:
            yield Break(link.position, link.event_id, f"link {position + 1} is missing")
        if link.previous != previous:
            yield Break(link.position, link.event_id, "the link names another predecessor")
        if event_digest(link.event) != link.event.digest:
            yield Break(link.position, link.event_id, "the event was altered")
        if _sha256(link.previous + link.event.digest) != link.digest:
            yield Break(link.position, link.event_id, "the link was altered")
        position, previous = link.position, link.digest
    # The join above passes over links whose event is gone; the last ones would leave no gap.
    event = AuditEvent.objects.filter(pk=models.OuterRef("event_id"))
    for link in AuditSeal.objects.filter(~models.Exists(event)).order_by("position"):
        yield Break(link.position, link.event_id, "the event was removed")
    settled = AuditSeal.objects.filter(sealed_at__lt=now - sealed_within).aggregate(
        newest=models.Max("event_id")
    )["newest"]
    for stray in AuditEvent.objects.filter(seal=None, pk__lt=settled or 0).order_by("pk"):
        yield Break(None, stray.pk, "the event was inserted behind the chain, or its link was removed")
