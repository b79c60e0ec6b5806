"""What each type of event changes. A handler reads the payload and calls one service; it may run again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.actors import task_actor
from billing.payments import connect, intake, methods, payouts, returns
from billing.payments.models import Customer, Payment, Payout, SavedMethod
from billing.payments.rails.stripe_rail import StripeRail, answer_of_intent, answer_of_transfer, method_of

WEBHOOK = task_actor("payments.webhook")
Handler = Callable[[Mapping[str, Any], datetime], None]


class NotOurs(Exception):
    """About something that this exchange did not ask for."""


def _payment(event: Mapping[str, Any], now: datetime) -> None:
    intent = event["data"]["object"]
    payment = Payment.objects.filter(provider_id=intent["id"]).first()
    if payment is None:
        payment = Payment.objects.filter(operation=_operation_of(intent)).first()
    if payment is None:
        raise NotOurs("a payment that was not made here")
    intake.apply(payment.pk, answer_of_intent(intent), now=now, actor=WEBHOOK)


def _refund(event: Mapping[str, Any], now: datetime) -> None:
    refund = event["data"]["object"]
    returns.refund_moved(_payment_of(refund), refund, actor=WEBHOOK, now=now)


def _dispute(event: Mapping[str, Any], now: datetime) -> None:
    dispute = event["data"]["object"]
    returns.dispute_moved(_payment_of(dispute), dispute, event=event["type"], actor=WEBHOOK, now=now)


def _method_saved(event: Mapping[str, Any], now: datetime) -> None:
    setup = event["data"]["object"]
    customer = Customer.objects.filter(provider_id=setup.get("customer") or "").first()
    if customer is None:
        raise NotOurs("a method of a customer that was not made here")
    method = StripeRail().method(setup["payment_method"])
    methods.learn(method, organisation_id=customer.organisation_id, actor=WEBHOOK, now=now)


def _method_changed(event: Mapping[str, Any], now: datetime) -> None:
    method, saved = _saved_method(event)
    methods.learn(method_of(method), organisation_id=saved.organisation_id, actor=WEBHOOK, now=now)


def _method_removed(event: Mapping[str, Any], now: datetime) -> None:
    _, saved = _saved_method(event)
    methods.forget(saved, actor=WEBHOOK, now=now)


def _transfer(event: Mapping[str, Any], now: datetime) -> None:
    transfer = event["data"]["object"]
    payout = Payout.objects.filter(operation=_operation_of(transfer)).first()
    if payout is None:
        raise NotOurs("a transfer that was not made here")
    payouts.apply(payout.pk, answer_of_transfer(transfer), actor=WEBHOOK, now=now)
    payouts.came_back(payout.pk, returned=transfer.get("amount_reversed") or 0, actor=WEBHOOK, now=now)


def _account(event: Mapping[str, Any], now: datetime) -> None:
    account = event["data"]["object"]
    ready = (account.get("capabilities") or {}).get("transfers") == "active"
    told_at = datetime.fromtimestamp(event["created"], UTC)
    if not connect.account_moved(account["id"], may_receive=ready, told_at=told_at, actor=WEBHOOK, now=now):
        raise NotOurs("an account that was not made here")


def _payment_of(item: Mapping[str, Any]) -> int:
    """Of a refund or a dispute. The payment may not have heard of its intent yet."""
    if not item.get("payment_intent"):
        raise NotOurs("it is about no payment intent, and nothing else is made here")
    found = Payment.objects.filter(provider_id=item["payment_intent"]).first()
    if found is None:
        raise returns.TooEarly(f"no payment is known as {item['payment_intent']}")
    return found.pk


def _saved_method(event: Mapping[str, Any]) -> tuple[Mapping[str, Any], SavedMethod]:
    method = event["data"]["object"]
    saved = SavedMethod.objects.filter(provider_id=method["id"]).first()
    if saved is None:
        raise NotOurs("a method that was not saved here")
    return method, saved


def _operation_of(item: Mapping[str, Any]) -> uuid.UUID:
    text = (item.get("metadata") or {}).get("operation", "")
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise NotOurs("it carries no operation of this exchange") from error


HANDLERS: Mapping[str, Handler] = {
    "payment_intent.succeeded": _payment,
    "payment_intent.processing": _payment,
    "payment_intent.requires_action": _payment,
    "payment_intent.payment_failed": _payment,
    "payment_intent.canceled": _payment,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "setup_intent.succeeded": _method_saved,
    "payment_method.updated": _method_changed,
    "payment_method.automatically_updated": _method_changed,
    "payment_method.detached": _method_removed,
    "transfer.created": _transfer,
    "transfer.updated": _transfer,
    "transfer.reversed": _transfer,
    "account.updated": _account,
}
