"""Telling people. Written in the transaction of the event; mails leave after it has committed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from celery import current_app
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import OF_ROLE, Actor
from accounts.models import Membership, User
from marketplace.errors import InvalidInput
from marketplace.notifications.kinds import KINDS
from marketplace.notifications.models import Event, Kind, Mail, Notification, Preference

MAIL_TASK = "notifications.mail_at_once"
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class News:
    """What is told, of which organisation, and on which page more of it is: its name and its arguments.

    With ``only`` it is told to one person of the organisation.
    """

    kind: Kind
    organisation: int
    key: str
    page: tuple[str, *tuple[str | int, ...]]
    facts: Mapping[str, str]
    only: User | None = None


def notify(news: News, *, now: datetime) -> None:
    notify_all([news], now=now)


def notify_all(news: Sequence[News], *, now: datetime) -> None:
    """Tell everybody whom it concerns. The same key of an organisation and kind is told once.

    ``RuntimeError`` outside a transaction: what was told and did not happen cannot be taken back.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("notifications are written in the transaction of what they tell of")
    new = _write_events(news, now)
    if not new:
        return
    rows = list(_notifications(new))
    Notification.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    if any(row.mail == Mail.AT_ONCE for row in rows):
        transaction.on_commit(lambda: current_app.send_task(MAIL_TASK))


def _write_events(news: Sequence[News], now: datetime) -> list[tuple[Event, News]]:
    """The events that were not told before."""
    by_key = {(each.kind.value, each.organisation, each.key): each for each in news}
    told = Event.objects.filter(
        kind__in={each.kind for each in news},
        organisation__in={each.organisation for each in news},
        key__in={each.key for each in news},
    )
    known = set(told.values_list("kind", "organisation", "key"))
    fresh = [each for key, each in by_key.items() if key not in known]
    events = Event.objects.bulk_create(
        (
            Event(
                kind=each.kind,
                organisation_id=each.organisation,
                key=each.key,
                facts=dict(each.facts),
                page=each.page[0],
                page_args=list(each.page[1:]),
                happened_at=now,
            )
            for each in fresh
        ),
        batch_size=ROWS_AT_ONCE,
    )
    return list(zip(events, fresh, strict=True))


def _notifications(told: Sequence[tuple[Event, News]]) -> Iterable[Notification]:
    members = _members({event.organisation_id for event, _news in told})
    liked = _preferences({user for roles in members.values() for user, _role in roles})
    for event, news in told:
        facts = KINDS[event.kind]
        for user, role in members[event.organisation_id]:
            if facts.needs in OF_ROLE[role] and news.only in (None, user):
                mail = liked.get((user.pk, event.kind), facts.mail)
                yield Notification(user=user, event=event, mail=mail)


def _members(organisations: set[int]) -> Mapping[int, list[tuple[User, str]]]:
    members: dict[int, list[tuple[User, str]]] = defaultdict(list)
    rows = Membership.objects.filter(organisation__in=organisations, user__is_active=True)
    for row in rows.select_related("user"):
        members[row.organisation_id].append((row.user, row.role))
    return members


def _preferences(users: set[User]) -> Mapping[tuple[int, str], str]:
    rows = Preference.objects.filter(user__in=users).values_list("user", "kind", "mail")
    return {(user, kind): mail for user, kind, mail in rows}


def mark_read(*, user: User, now: datetime, only: int | None = None) -> int:
    """Mark what somebody was told as read, all of it or one; returns how many were not."""
    unread = Notification.objects.filter(user=user, read_at=None)
    return (unread if only is None else unread.filter(pk=only)).update(read_at=now)


@transaction.atomic
def prefer(*, user: User, wishes: Mapping[str, str], now: datetime) -> None:
    """How somebody wants to hear of each kind from now on."""
    for kind, mail in wishes.items():
        if kind not in KINDS or mail not in Mail.values:
            raise InvalidInput(_("There is no such choice."), {kind: _("Choose one of the list.")})
        Preference.objects.update_or_create(user=user, kind=kind, defaults={"mail": mail})
    audit.record(
        actor=Actor(user=user), action="notifications.preferred", target=user, now=now, data=dict(wishes)
    )


def concerns(user: User, kind: str) -> bool:
    """Whether a kind of events is told to somebody with the roles of this person."""
    needs = KINDS[kind].needs
    return any(needs in OF_ROLE[member.role] for member in user.memberships.all())
