"""Events whose id is known with another body: kept aside, for somebody to look at."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import ApiToken
from billing.metering.events import delivery_of
from billing.metering.models import ReadingConflict
from billing.metering.staging import Row


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event, and the body that counts under its id; empty where its month was detached."""

    row: Row
    counted: bytes

    @property
    def identity(self) -> tuple[uuid.UUID, str]:
        return uuid.UUID(bytes=self.row.key), hashlib.sha256(self.row.event.body).hexdigest()


def store_conflicts(conflicts: Sequence[Conflict], *, token: ApiToken, now: datetime) -> int:
    """Keep each conflicting body once; returns how many were new."""
    found = {conflict.identity: conflict for conflict in conflicts}
    kept = ReadingConflict.objects.filter(event__in={key for key, _ in found})
    fresh = sorted(found.keys() - set(kept.values_list("event_id", "body_digest")))
    ReadingConflict.objects.bulk_create(
        [_row(found[identity], identity, token, now) for identity in fresh], ignore_conflicts=True
    )
    return len(fresh)


def _row(
    conflict: Conflict, identity: tuple[uuid.UUID, str], token: ApiToken, now: datetime
) -> ReadingConflict:
    event = conflict.row.event.event
    key, digest = identity
    return ReadingConflict(
        event_id=key,
        source=event.source,
        event_name=event.id,
        delivery_id=delivery_of(event.subject),
        counted=conflict.counted.decode(),
        body=conflict.row.event.body.decode(),
        body_digest=digest,
        token=token,
        received_at=now,
    )
