"""Reading notifications: everybody reads their own, and nobody else's."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import User
from marketplace.notifications.kinds import KINDS, REASONS
from marketplace.notifications.models import Event, Notification

MOST_COUNTED = 99


def notifications_of(user: User) -> QuerySet[Notification]:
    """What somebody was told, newest first."""
    return Notification.objects.filter(user=user).select_related("event__organisation").order_by("-pk")


def unread_count(user: User) -> int:
    """How many are unread, up to ``MOST_COUNTED``: a badge shows no more."""
    return Notification.objects.filter(user=user, read_at=None)[:MOST_COUNTED].count()


@dataclass(frozen=True, slots=True)
class Line:
    """A notification in words, in the language that is active."""

    notification: Notification
    url: str
    title: str
    text: str
    reason: str


def url_of(event: Event) -> str:
    return reverse(event.page, args=event.page_args)


def in_words(notification: Notification) -> Line:
    event = notification.event
    kind = KINDS[event.kind]
    return Line(
        notification=notification,
        url=url_of(event),
        title=event.get_kind_display(),
        text=str(kind.text) % event.facts,
        reason=str(REASONS[kind.needs]) % {"organisation": event.organisation},
    )
