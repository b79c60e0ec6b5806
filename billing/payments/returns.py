"""What Stripe gives back to buyers: refunds, and charges that the buyer's bank disputes.

Each is booked once under the provider's id and takes back what the payment paid, so that the invoice is
open again. What comes before its payment waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.actors import Actor
from billing.ledger.models import Account, Journal
from billing.payments.allocating import Reason, reinstate, take_back
from billing.payments.booking import Cause
from billing.payments.intake import State, lock_payment
from billing.payments.models import Dispute, Payment, Refund

CLOSED = {"won", "lost", "warning_closed", "prevented"}


class TooEarly(Exception):
    """Told before what it is about; to be tried again later."""


def refund_moved(payment_id: int, refund: Mapping[str, Any], *, actor: Actor, now: datetime) -> None:
    """A refund succeeded, or it failed after all: then the money is the exchange's again."""
    payment = _paid(payment_id)
    found, _ = Refund.objects.get_or_create(
        provider_id=refund["id"], defaults={"payment": payment, "amount": refund["amount"]}
    )
    status = refund.get("status")
    if status in {"failed", "canceled"}:
        _undo_refund(payment, found, actor=actor, now=now)
    elif status == "succeeded" and found.journal is None and not found.has_failed:
        cause = _cause(payment, f"refund:{found.provider_id}", actor=actor, now=now)
        found.journal = take_back(
            payment, found.amount, reason=Reason.REFUNDED, cause=cause, credit=Account.Kind.STRIPE
        )
        found.save()
        _record("payments.refunded", payment, found.provider_id, found.amount, actor=actor, now=now)


def _undo_refund(payment: Payment, refund: Refund, *, actor: Actor, now: datetime) -> None:
    """Only what was booked is undone; a success that is told after the failure is booked no more."""
    if refund.has_failed:
        return
    refund.has_failed = True
    if refund.journal is not None:
        key = f"refund:{refund.provider_id}:failed"
        cause = _cause(payment, key, actor=actor, now=now, corrects=refund.journal)
        refund.undone = reinstate(payment, refund.amount, cause=cause, debit=Account.Kind.STRIPE)
    refund.save()
    _record("payments.refund_failed", payment, refund.provider_id, refund.amount, actor=actor, now=now)


def dispute_moved(
    payment_id: int, dispute: Mapping[str, Any], *, event: str, actor: Actor, now: datetime
) -> None:
    """A dispute was opened, moved money, or was closed. Only the events about funds move any."""
    payment = _paid(payment_id)
    found, is_new = Dispute.objects.get_or_create(
        provider_id=dispute["id"],
        defaults={
            "payment": payment,
            "amount": dispute["amount"],
            "reason": dispute.get("reason") or "",
            "status": dispute["status"],
            "opened_at": now,
        },
    )
    if is_new:
        _record("payments.dispute_opened", payment, found.provider_id, found.amount, actor=actor, now=now)
    if event == "charge.dispute.funds_withdrawn":
        _withdraw(payment, found, actor=actor, now=now)
    elif event == "charge.dispute.funds_reinstated":
        _give_funds_back(payment, found, actor=actor, now=now)
    if found.closed_at is None:
        found.status = dispute["status"]
        found.closed_at = now if found.status in CLOSED else None
    found.save()


def _withdraw(payment: Payment, dispute: Dispute, *, actor: Actor, now: datetime) -> None:
    if dispute.withdrawn is None:
        cause = _cause(payment, f"dispute:{dispute.provider_id}", actor=actor, now=now)
        dispute.withdrawn = take_back(
            payment, dispute.amount, reason=Reason.DISPUTED, cause=cause, credit=Account.Kind.STRIPE
        )


def _give_funds_back(payment: Payment, dispute: Dispute, *, actor: Actor, now: datetime) -> None:
    if dispute.reinstated is not None:
        return
    if dispute.withdrawn is None:
        raise TooEarly(f"dispute {dispute.provider_id}: the funds were not withdrawn yet")
    key = f"dispute:{dispute.provider_id}:reinstated"
    cause = _cause(payment, key, actor=actor, now=now, corrects=dispute.withdrawn)
    dispute.reinstated = reinstate(payment, dispute.amount, cause=cause, debit=Account.Kind.STRIPE)


def _paid(payment_id: int) -> Payment:
    payment = lock_payment(payment_id)
    if payment.state != State.SUCCEEDED:
        raise TooEarly(f"payment {payment.operation} is not known to have succeeded")
    return payment


def _cause(
    payment: Payment, key: str, *, actor: Actor, now: datetime, corrects: Journal | None = None
) -> Cause:
    what = "Returned to the exchange" if corrects else "Given back by Stripe"
    return Cause(key, f"{what}: {payment.organisation.name_en}", actor, now, corrects)


def _record(
    action: str, payment: Payment, provider_id: str, amount: int, *, actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=payment,
        organisation=payment.organisation_id,
        now=now,
        data={"operation": str(payment.operation), "id": provider_id, "amount": amount},
    )
