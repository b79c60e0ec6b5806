"""The part of the audit chain that a pack holds: its own events in full, of all others their digests.

A link's digest needs the digest of its event and no more, so that the segment from the first event of a case
to its last is recomputed by a reader who learns nothing of the events in between.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.audit import GENESIS
from accounts.models import AuditEvent, AuditSeal
from marketplace.audit.evidence.rows import Row, row_of
from marketplace.errors import InvalidInput

MOST_LINKS = 1_000_000
A_QUERY = 2_000


@dataclass(frozen=True, slots=True)
class Segment:
    """``previous`` is the digest of the link before the first one; an empty segment has none of both."""

    events: list[Row]
    links: list[Row]
    previous: str
    unsealed: int


def segment_of(objects: Collection[tuple[str, str]]) -> Segment:
    """The events about these objects (type and id), and every link from the first of them to the last."""
    events = _events(objects)
    seals = dict(
        AuditSeal.objects.filter(event__in=[event.pk for event in events]).values_list("event", "position")
    )
    unsealed = sum(event.pk not in seals for event in events)
    if not seals:
        return Segment([row_of(event) for event in events], [], GENESIS, unsealed)
    first, last = min(seals.values()), max(seals.values())
    if last - first >= MOST_LINKS:
        raise InvalidInput(
            _("The case spans too much of the audit chain for one pack. Choose a shorter window.")
        )
    between = AuditSeal.objects.filter(position__gte=first, position__lte=last).order_by("position")
    links = [
        {"position": position, "event": event, "event_digest": event_digest, "digest": digest}
        for position, event, event_digest, digest in between.values_list(
            "position", "event", "event__digest", "digest"
        )
    ]
    previous = AuditSeal.objects.values_list("previous", flat=True).get(position=first)
    return Segment([row_of(event) for event in events], links, previous, unsealed)


def _events(objects: Collection[tuple[str, str]]) -> list[AuditEvent]:
    by_type: dict[str, list[str]] = {}
    for object_type, object_id in sorted(objects):
        by_type.setdefault(object_type, []).append(object_id)
    found: dict[int, AuditEvent] = {}
    for object_type, ids in by_type.items():
        rest = iter(ids)
        while part := list(islice(rest, A_QUERY)):
            named = AuditEvent.objects.filter(Q(object_type=object_type, object_id__in=part))
            found |= {event.pk: event for event in named}
    return [found[pk] for pk in sorted(found)]
