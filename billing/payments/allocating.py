"""Money that arrived is allocated to invoices, and what is left over is the buyer's credit balance.

Everything here runs inside a transaction and locks before it looks, in this order: the buyer's organisation,
its payment, its invoices by id, accounts of the ledger. An allocation and its legs are written together.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor
from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg
from billing.money import from_minor
from billing.payments.booking import Cause, Plan, book, on_invoices
from billing.payments.due import due_on, overpaid
from billing.payments.models import Allocation, Payment
from marketplace.errors import DomainError

Reason = Allocation.Reason


class NothingToAllocate(DomainError):
    code = "nothing_to_allocate"
    title = gettext_noop("There is no credit to use, or nothing to pay with it")


def lock_party(organisation_id: int) -> Organisation:
    """The first lock of whoever moves a buyer's money."""
    return Organisation.objects.select_for_update(no_key=True).get(pk=organisation_id)


def lock_invoices(invoices: Iterable[Document]) -> list[Document]:
    """The invoices, locked in the order of their ids."""
    wanted = sorted({invoice.pk for invoice in invoices})
    return list(Document.objects.filter(pk__in=wanted).select_for_update(no_key=True).order_by("pk"))


def plan_of(invoices: Iterable[Document], amount: int) -> Plan:
    """Pay the invoices one after the other as far as the amount goes; the rest becomes credit."""
    plan: list[tuple[Document | None, int]] = []
    rest = amount
    for invoice in lock_invoices(invoices):
        part = max(min(rest, due_on(invoice).open), 0)
        plan.append((invoice, part))
        rest -= part
    return [(invoice, part) for invoice, part in [*plan, (None, rest)] if part]


def allocate(payment: Payment, plan: Plan, *, reason: str, journal: Journal, now: datetime) -> None:
    """Write down what a booked amount pays."""
    for invoice, amount in plan:
        _write(payment, invoice, amount, reason, journal, now)


def reinstate(payment: Payment, amount: int, *, cause: Cause, debit: Account.Kind) -> Journal:
    """Money that had gone back is here again: it pays the payment's invoice once more."""
    plan = plan_of([payment.invoice] if payment.invoice else [], amount)
    legs = on_invoices(plan, payment, sign=-1)
    journal = book(cause, [Leg(debit, None, payment.currency, amount), *legs])
    allocate(payment, plan, reason=Reason.REINSTATED, journal=journal, now=cause.now)
    return journal


def take_back(payment: Payment, amount: int, *, reason: str, cause: Cause, credit: Account.Kind) -> Journal:
    """Undo allocations of a payment: what lies in credit first, then its invoices, the last one first.

    A credit that was spent meanwhile is part of the invoice that it paid, so it is found there.
    """
    plan: list[tuple[Document | None, int]] = []
    rest = amount
    for invoice, allocated in _allocated(payment):
        part = min(rest, allocated)
        plan.append((invoice, part))
        rest -= part
    if rest:
        raise NothingToAllocate(
            _("%(amount)s of payment %(operation)s cannot go back: less than that is left of it.")
            % {"amount": from_minor(amount, payment.currency), "operation": payment.operation}
        )
    kept = [(invoice, part) for invoice, part in plan if part]
    legs = on_invoices(kept, payment, sign=1)
    journal = book(cause, [*legs, Leg(credit, None, payment.currency, -amount)])
    for invoice, part in kept:
        _write(payment, invoice, -part, reason, journal, cause.now)
    return journal


@transaction.atomic
def use_credit(*, invoice: Document, actor: Actor, now: datetime) -> int:
    """Pay an invoice from the buyer's credit balance, as far as both go; the amount.

    What lies on invoices that are paid beyond what they ask (a credit note came after the payment) counts
    as credit too.
    """
    lock_party(invoice.organisation_id)
    rest = wanted = due_on(invoice).payable
    for payment, source, amount in _credits(invoice):
        part = min(rest, amount)
        if part:
            _shift(payment, source, invoice, part, actor=actor, now=now)
        rest -= part
    used = wanted - rest
    if not used:
        raise NothingToAllocate(
            _("Invoice %(invoice)s cannot be paid from credit: no credit is left, or nothing is open.")
            % {"invoice": invoice}
        )
    audit.record(
        actor=actor,
        action="payments.credit_used",
        target=invoice,
        organisation=invoice.organisation_id,
        now=now,
        data={"invoice": invoice.number, "amount": str(from_minor(used, invoice.currency))},
    )
    return used


def _shift(
    payment: Payment, source: Document | None, target: Document, amount: int, *, actor: Actor, now: datetime
) -> None:
    """Within what the buyer owes: from credit, or from an invoice that is overpaid, to another invoice."""
    cause = Cause(
        key=f"credit:{payment.operation}:{target.number}:{payment.allocations.count()}",
        description=f"Credit of {payment.organisation.name_en} used for {target.number}",
        actor=actor,
        now=now,
    )
    taken = on_invoices([(source, amount)], payment, sign=1)
    given = on_invoices([(target, amount)], payment, sign=-1)
    journal = book(cause, [*taken, *given])
    _write(payment, source, -amount, Reason.CREDIT_USED, journal, now)
    _write(payment, target, amount, Reason.CREDIT_USED, journal, now)


def _credits(invoice: Document) -> list[tuple[Payment, Document | None, int]]:
    """Where the buyer's credit lies: payment, invoice that it overpays or none, amount; oldest first."""
    allocations = Allocation.objects.filter(
        payment__organisation=invoice.organisation_id, payment__currency=invoice.currency
    )
    beyond = Q(invoice=None) | Q(invoice__number__in=overpaid(invoice.organisation_id, invoice.currency))
    payments = Payment.objects.filter(pk__in=allocations.filter(beyond).values("payment"))
    locked = payments.select_related("organisation").select_for_update(of=("self",), no_key=True)
    return [
        (payment, source, free)
        for payment in locked.order_by("pk")
        for source, amount in _allocated(payment)
        if (free := min(amount, due_on(source).overpaid) if source else amount)
    ]


def _allocated(payment: Payment) -> list[tuple[Document | None, int]]:
    """What the payment still pays: credit first, then invoices, newest first."""
    rows = payment.allocations.order_by().values_list("invoice").annotate(total=Sum("amount"))
    totals: dict[int | None, int] = dict(rows.filter(total__gt=0))
    in_credit = totals.pop(None, 0)
    invoices = lock_invoices(Document.objects.filter(pk__in=[pk for pk in totals if pk]))
    on_them = [(invoice, totals[invoice.pk]) for invoice in reversed(invoices)]
    return [(None, in_credit), *on_them] if in_credit else list(on_them)


def _write(
    payment: Payment, invoice: Document | None, amount: int, reason: str, journal: Journal, now: datetime
) -> None:
    Allocation.objects.create(
        payment=payment, invoice=invoice, amount=amount, reason=reason, journal=journal, allocated_at=now
    )
