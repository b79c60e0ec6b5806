"""Paying an invoice: an attempt is stored and committed, then sent, then what became of it is applied.

Whatever the order in which answers, look-ups and webhooks arrive, ``apply`` brings the payment to the same
end: what succeeded stays so, and its journal is booked once under the key of the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer, task_actor
from billing.invoicing.models import Document
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg
from billing.money import from_minor
from billing.payments import telling
from billing.payments.allocating import Reason, allocate, lock_invoices, lock_party, plan_of
from billing.payments.booking import Cause, book, on_invoices
from billing.payments.due import due_on
from billing.payments.models import UNDER_WAY, Customer, Payment, RailName, SavedMethod
from billing.payments.rails import Answer, Outcome, PayIn
from billing.payments.rails.choice import rail_of
from marketplace.errors import DomainError, InvalidInput, NotAllowed
from marketplace.notifications.services import notify_all

State = Payment.State
RAIL = task_actor("payments.rail")

# How often something whose outcome is not known is sent again, and how long Stripe knows its key at least.
MOST_TRIES = 4
KEYS_LIVE = timedelta(hours=23)
FINAL = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class PaymentRefused(DomainError):
    code = "payment_refused"
    title = gettext_noop("The invoice cannot be paid like this")


class PaymentMismatch(DomainError):
    """A provider says that it moved another amount than was asked: a person must look."""

    code = "payment_mismatch"
    title = gettext_noop("The provider moved another amount than was asked")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer wants to pay. ``amount`` is in minor units; without a method, by bank transfer."""

    invoice: Document
    amount: int
    method: SavedMethod | None


def person_of(viewer: Viewer, organisation_id: int) -> Actor:
    """The person who may move the organisation's money. Tokens read money, and never move it."""
    actor = viewer.require(Capability.FINANCE, organisation_id)
    if actor.user is None:
        raise NotAllowed(_("Only people can move money: a token cannot."))
    return actor


def pay(wish: Wish, *, viewer: Viewer, now: datetime) -> Payment:
    """Start to pay. Must be called outside of a transaction: the operation is committed before it is sent."""
    payment = _store(wish, viewer=viewer, now=now)
    return send(payment, now=now)


@transaction.atomic(durable=True)
def _store(wish: Wish, *, viewer: Viewer, now: datetime) -> Payment:
    actor = person_of(viewer, wish.invoice.organisation_id)
    lock_party(wish.invoice.organisation_id)
    (invoice,) = lock_invoices([wish.invoice])
    _check(wish, payable=due_on(invoice).payable)
    payment = Payment.objects.create(
        rail=RailName.STRIPE if wish.method else RailName.BANK,
        organisation_id=invoice.organisation_id,
        invoice=invoice,
        amount=wish.amount,
        currency=invoice.currency,
        method=wish.method,
        state=State.CREATED,
        created_at=now,
        sent_at=datetime.now(UTC),
    )
    _record("payments.payment_started", payment, actor=actor, now=now)
    return payment


def _check(wish: Wish, *, payable: int) -> None:
    invoice, method = wish.invoice, wish.method
    if not 0 < wish.amount <= payable:
        most = from_minor(payable, invoice.currency)
        raise InvalidInput(
            _("Nothing was paid."),
            {"amount": _("Give an amount above zero and up to %(most)s.") % {"most": most}},
        )
    if method is not None and (method.organisation_id != invoice.organisation_id or method.removed_at):
        raise InvalidInput(_("Nothing was paid."), {"method": _("Choose one of the saved methods.")})


def send(payment: Payment, *, now: datetime) -> Payment:
    """Send a stored attempt, once or again: the rail has its operation's id and charges once."""
    Payment.objects.filter(pk=payment.pk).update(tries=F("tries") + 1)
    return apply(payment.pk, rail_of(payment.rail).pay_in(order_of(payment)), now=now, actor=RAIL)


def order_of(payment: Payment) -> PayIn:
    address = reverse("payments:payment", args=[payment.operation])
    customer = Customer.objects.filter(organisation=payment.organisation_id).first()
    return PayIn(
        operation=payment.operation,
        amount=payment.amount,
        currency=payment.currency,
        invoice=payment.invoice.number if payment.invoice else "",
        customer=customer.provider_id if customer else "",
        method=payment.method.provider_id if payment.method else "",
        return_url=settings.BASE_URL + address,
        provider_id=payment.provider_id,
        sent_at=payment.sent_at,
    )


@transaction.atomic
def apply(payment_id: int, answer: Answer, *, now: datetime, actor: Actor) -> Payment:
    """Bring a payment to where the rail says that it is; nothing happens when it is there or beyond."""
    payment = lock_payment(payment_id)
    state = _next_state(payment, answer)
    payment.provider_id = payment.provider_id or answer.provider_id
    if answer.outcome is Outcome.UNKNOWN:
        payment.looked_up_at = datetime.now(UTC)
    if state == payment.state:
        payment.action_url = answer.action_url or payment.action_url
        payment.save(update_fields=["provider_id", "looked_up_at", "action_url"])
        return payment
    if state == State.SUCCEEDED:
        _check_amount(payment, answer)
        _succeed(payment, now=now, actor=actor)
        return payment
    payment.state, payment.reason, payment.action_url = state, answer.reason[:300], answer.action_url
    payment.save()
    _record(f"payments.payment_{state}", payment, actor=actor, now=now)
    return payment


def lock_payment(payment_id: int) -> Payment:
    """The payment, locked after its organisation."""
    lock_party(Payment.objects.values_list("organisation", flat=True).get(pk=payment_id))
    rows = Payment.objects.select_related("invoice", "method", "organisation")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=payment_id)


def _next_state(payment: Payment, answer: Answer) -> str:
    """What comes late never takes back what is known: only a success overtakes an end."""
    wanted = State(answer.outcome.value)
    if wanted == State.SUCCEEDED:
        return wanted
    if payment.state in FINAL or (wanted == State.UNKNOWN and payment.state != State.CREATED):
        return payment.state
    if payment.state == State.PROCESSING and wanted == State.REQUIRES_ACTION:
        return payment.state
    return wanted


def _check_amount(payment: Payment, answer: Answer) -> None:
    if (answer.amount, answer.currency) != (payment.amount, payment.currency):
        raise PaymentMismatch(
            f"payment {payment.operation} is {payment.amount} {payment.currency}, "
            f"{answer.provider_id} moved {answer.amount} {answer.currency}"
        )


def _succeed(payment: Payment, *, now: datetime, actor: Actor) -> None:
    cause = Cause(
        key=f"payment:{payment.operation}",
        description=f"Payment of {payment.organisation.name_en} by Stripe",
        actor=actor,
        now=now,
    )
    finish(payment, [payment.invoice] if payment.invoice else [], cause=cause, debit=Account.Kind.STRIPE)


def finish(payment: Payment, invoices: Sequence[Document], *, cause: Cause, debit: Account.Kind) -> Journal:
    """The money is there: book it, mark the payment as paid, and pay the invoices with it."""
    plan = plan_of(invoices, payment.amount)
    legs = on_invoices(plan, payment, sign=-1)
    journal = book(cause, [Leg(debit, None, payment.currency, payment.amount), *legs])
    payment.state, payment.journal, payment.reason, payment.action_url = State.SUCCEEDED, journal, "", ""
    payment.save()
    allocate(payment, plan, reason=Reason.PAID, journal=journal, now=cause.now)
    _record("payments.payment_succeeded", payment, actor=cause.actor, now=cause.now)
    notify_all(telling.paid(payment, invoices), now=cause.now)
    return journal


@transaction.atomic
def _ask_to_cancel(payment: Payment, *, viewer: Viewer, now: datetime) -> Payment:
    actor = person_of(viewer, payment.organisation_id)
    locked = lock_payment(payment.pk)
    if locked.state != State.REQUIRES_ACTION:
        raise PaymentRefused(_("Only a payment that waits for you can be cancelled."))
    _record("payments.payment_cancel_asked", locked, actor=actor, now=now)
    return locked


def cancel(payment: Payment, *, viewer: Viewer, now: datetime) -> Payment:
    """Give up a payment that waits for its buyer, so that the invoice can be paid in another way."""
    return give_up(_ask_to_cancel(payment, viewer=viewer, now=now), now=now)


def give_up(payment: Payment, *, now: datetime) -> Payment:
    """Nobody came to confirm the payment: cancel it, so that the invoice can be paid in another way."""
    return apply(payment.pk, rail_of(payment.rail).cancel_pay_in(order_of(payment)), now=now, actor=RAIL)


def look_up(payment: Payment, *, now: datetime) -> Payment:
    """Ask the rail what became of a payment; send it again only when the rail has never heard of it."""
    if payment.state not in UNDER_WAY:
        return payment
    answer = rail_of(payment.rail).find_pay_in(order_of(payment))
    Payment.objects.filter(pk=payment.pk).update(looked_up_at=datetime.now(UTC))
    if answer is not None:
        return apply(payment.pk, answer, now=now, actor=RAIL)
    if _may_be_sent_again(payment):
        return send(payment, now=now)
    never = Answer(Outcome.FAILED, reason=_("It never reached Stripe. Nothing was charged."))
    return apply(payment.pk, never, now=now, actor=RAIL)


def _may_be_sent_again(payment: Payment) -> bool:
    """While Stripe still knows the key: after that, the same operation could charge twice."""
    age = datetime.now(UTC) - payment.sent_at if payment.sent_at else KEYS_LIVE
    return payment.tries < MOST_TRIES and age < KEYS_LIVE


def _record(action: str, payment: Payment, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=payment,
        organisation=payment.organisation_id,
        now=now,
        data={
            "operation": str(payment.operation),
            "invoice": payment.invoice.number if payment.invoice else None,
            "amount": payment.amount,
            "currency": payment.currency,
            "rail": payment.rail,
            "reason": payment.reason,
        },
    )
