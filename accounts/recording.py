"""What people change about their own account leaves audit events too. allauth makes the changes and tells.

It has no service that could write the event in the same transaction: the event follows right after.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.dispatch import Signal

from accounts import audit
from accounts.actors import Actor
from accounts.models import User
from marketplace.clock import market_now

ACTIONS: dict[Signal, str] = {
    account.user_signed_up: "user.signed_up",
    account.password_set: "user.password_set",
    account.password_changed: "user.password_changed",
    account.password_reset: "user.password_reset",
    account.email_added: "user.email_added",
    account.email_confirmed: "user.email_confirmed",
    account.email_changed: "user.email_changed",
    account.email_removed: "user.email_removed",
    mfa.authenticator_added: "user.authenticator_added",
    mfa.authenticator_removed: "user.authenticator_removed",
    mfa.authenticator_reset: "user.authenticator_reset",
}


def listen() -> None:
    for signal in ACTIONS:
        signal.connect(_told, dispatch_uid="accounts.recording")


def _told(*, signal: Signal, **facts: Any) -> None:
    address: EmailAddress | None = facts.get("email_address") or facts.get("to_email_address")
    authenticator: Authenticator | None = facts.get("authenticator")
    personal = {}
    if address is not None:
        facts.setdefault("user", address.user)
        personal["email"] = address.email
    data = {} if authenticator is None else {"kind": authenticator.type}
    _record(facts["user"], ACTIONS[signal], data, personal)


@transaction.atomic
def _record(user: User, action: str, data: dict[str, Any], personal: dict[str, str]) -> None:
    """Of no organisation: only the exchange's own people read it."""
    actor, now = Actor(user=user), market_now()
    audit.record(actor=actor, action=action, target=user, now=now, data=data, personal=personal)
