"""Thin and idempotent: each calls one function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from celery import shared_task

from accounts import audit, invitations
from accounts.models import IdempotencyRecord

ANSWERS_KEPT = timedelta(days=7)


@shared_task(name="audit.seal")
def seal() -> int:
    return audit.seal()


@shared_task(name="accounts.send_invitation")
def send_invitation(invitation_id: int) -> None:
    invitations.send(invitation_id)


@shared_task(name="accounts.forget_answers")
def forget_answers() -> int:
    """Drop the stored answers of old idempotency keys; nobody retries after a week."""
    old = IdempotencyRecord.objects.filter(created_at__lt=datetime.now(UTC) - ANSWERS_KEPT)
    return old.delete()[0]
