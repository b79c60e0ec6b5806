"""Mails of notifications. A row is claimed, mailed and marked in one transaction: it leaves once, and a row
whose mail could not be handed over is tried again by the next sweep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import ngettext

from accounts.models import User
from marketplace.notifications.models import Digest, Mail, Notification
from marketplace.notifications.selectors import in_words

A_DAY = timedelta(days=1)
MOST_A_MAIL = 50
LANGUAGES = ("en", "zh-hans")


def mail_at_once(*, now: datetime) -> int:
    """Mail everything that people want to hear of at once; returns how many mails left."""
    return sum(_mail(user, Mail.AT_ONCE, now=now) for user in _waiting(Mail.AT_ONCE))


def mail_digests(*, now: datetime) -> int:
    """Mail the day's news to everybody whose last such mail is a day old; returns how many mails left."""
    recent = set(Digest.objects.filter(sent_at__gt=now - A_DAY).values_list("user", flat=True))
    waiting = [user for user in _waiting(Mail.DAILY) if user not in recent]
    return sum(_mail(user, Mail.DAILY, now=now) for user in waiting)


def _waiting(mail: Mail) -> Sequence[int]:
    rows = Notification.objects.filter(mail=mail, mailed_at=None)
    return list(rows.order_by("user").values_list("user", flat=True).distinct())


@transaction.atomic
def _mail(user_id: int, mail: Mail, *, now: datetime) -> bool:
    rows = Notification.objects.filter(user=user_id, mail=mail, mailed_at=None)
    claimed = list(
        rows.select_for_update(skip_locked=True, of=("self",))
        .select_related("event__organisation")
        .order_by("pk")[:MOST_A_MAIL]
    )
    if not claimed:
        return False
    Notification.objects.filter(pk__in=[each.pk for each in claimed]).update(mailed_at=now)
    if mail == Mail.DAILY:
        Digest.objects.update_or_create(user_id=user_id, defaults={"sent_at": now})
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None:
        _send(user, claimed)
    return user is not None


def _send(user: User, rows: Sequence[Notification]) -> None:
    """In both languages: nobody said which one they read."""
    subjects, bodies = [], []
    for language in LANGUAGES:
        with translation.override(language):
            lines = [in_words(row) for row in rows]
            more = ngettext("%(count)s more", "%(count)s more", len(lines) - 1) % {"count": len(lines) - 1}
            subjects.append(lines[0].title if len(lines) == 1 else f"{lines[0].title}, {more}")
            context = {"lines": lines, "base": settings.BASE_URL}
            bodies.append(render_to_string("notifications/mail.txt", context).strip())
    send_mail(" / ".join(dict.fromkeys(subjects)), "\n\n".join(bodies), None, [user.email])
