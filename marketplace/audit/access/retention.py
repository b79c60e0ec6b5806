"""The retention policy, executed. What law keeps (documents, journals, readings, the audit chain) stays.

Persons are told by numbers everywhere but in their own row: when that is emptied, the number is a pseudonym
that leads nowhere. What audit events say of persons is beside them (``accounts.models.PersonalFact``), so
that it can go while every digest of the chain holds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat, Greatest

from accounts import audit
from accounts.actors import Actor
from accounts.models import ApiToken, AuditEvent, Invitation, Membership, PersonalFact, User
from marketplace.audit.access.models import RetentionRun
from marketplace.notifications.models import Digest, Event, Preference

FILE = Path(__file__).with_name("retention.toml")
GONE = "@gone.invalid"


@dataclass(frozen=True, slots=True)
class Step:
    """``found`` are the rows that are older than a moment, ``forget`` what becomes of them."""

    name: str
    found: Callable[[datetime], QuerySet[Any]]
    forget: Callable[[QuerySet[Any]], object]


@cache
def periods() -> Mapping[str, int]:
    """Days by step."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def due(at: datetime) -> dict[str, int]:
    """How many rows each step would forget; nothing is changed."""
    return {step.name: step.found(_before(step, at)).count() for step in STEPS}


@transaction.atomic
def retain(*, at: datetime, actor: Actor, now: datetime) -> RetentionRun:
    """Forget what is due at ``at`` (wall time), all of it or nothing, and write down how much it was."""
    forgotten = {}
    for step in STEPS:
        rows = step.found(_before(step, at))
        forgotten[step.name] = rows.count()
        step.forget(rows)
    run = RetentionRun.objects.create(at=at, periods=dict(periods()), forgotten=forgotten)
    audit.record(actor=actor, action="retention.applied", target=run, now=now, data={"forgotten": forgotten})
    return run


def _before(step: Step, at: datetime) -> datetime:
    return at - timedelta(days=periods()[step.name])


def _who_left(before: datetime) -> QuerySet[User]:
    """Members of nothing and of no office, who since then neither logged in nor changed anything."""
    signs = AuditEvent.objects.filter(occurred_at__gte=before)
    removed = signs.filter(action="member.removed").annotate(whom=KeyTextTransform("user", "data"))
    return (
        User.objects.filter(platform_role="")
        .exclude(email__endswith=GONE)
        .annotate(seen=Greatest("date_joined", Coalesce("last_login", "date_joined")))
        .filter(~Exists(Membership.objects.filter(user=OuterRef("pk"))), seen__lt=before)
        .filter(~Exists(signs.filter(user=OuterRef("pk"))))
        .filter(~Exists(removed.filter(whom=Cast(OuterRef("pk"), CharField()))))
    )


def _forget_people(people: QuerySet[User]) -> None:
    ids = list(people.values_list("pk", flat=True))
    addresses = list(User.objects.filter(pk__in=ids).values_list("email", flat=True))
    EmailAddress.objects.filter(user__in=ids).delete()
    Authenticator.objects.filter(user__in=ids).delete()
    Preference.objects.filter(user__in=ids).delete()
    Digest.objects.filter(user__in=ids).delete()
    PersonalFact.objects.filter(value__in=addresses).delete()
    _pseudonymise(Invitation.objects.filter(email__in=addresses))
    for user in User.objects.filter(pk__in=ids):
        user.email, user.name, user.is_active, user.last_login = f"{user.pk}{GONE}", "", False, None
        user.set_unusable_password()
        user.save(update_fields=["email", "name", "is_active", "last_login", "password"])


def _closed_invitations(before: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(created_at__lt=before).exclude(email__endswith=GONE)


def _pseudonymise(invitations: QuerySet[Invitation]) -> None:
    number = Cast(F("pk"), CharField())
    invitations.update(email=Concat(Value("invitation-"), number, Value(GONE)))


def _dead_tokens(before: datetime) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before)).exclude(name="")


STEPS = (
    Step("sessions", lambda before: Session.objects.filter(expire_date__lt=before), QuerySet.delete),
    Step("notifications", lambda before: Event.objects.filter(happened_at__lt=before), QuerySet.delete),
    Step("people", _who_left, _forget_people),
    Step("invitations", _closed_invitations, _pseudonymise),
    Step(
        "audit_facts",
        lambda before: PersonalFact.objects.filter(event__occurred_at__lt=before),
        QuerySet.delete,
    ),
    Step("token_names", _dead_tokens, lambda tokens: tokens.update(name="")),
)
