"""What an operator says a line of the bank's statement is, when nothing on it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext_lazy

from accounts import audit
from accounts.actors import Actor, Viewer
from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.ledger.models import Journal
from billing.payments import payouts
from billing.payments.allocating import lock_party
from billing.payments.booking import FEES, IN_TRANSIT, STRIPE, SUSPENSE, Cause, move
from billing.payments.intake import finish
from billing.payments.models import BankLine, Payment, Payout, RailName
from marketplace.errors import DomainError


class What(models.TextChoices):
    INVOICE = "invoice", pgettext_lazy("bank line is", "Payment of an invoice")
    CREDIT = "credit", pgettext_lazy("bank line is", "Credit of a buyer")
    PAYOUT = "payout", pgettext_lazy("bank line is", "A payout that was executed")
    STRIPE = "stripe", pgettext_lazy("bank line is", "From or to our balance at Stripe")
    FEES = "fees", pgettext_lazy("bank line is", "The bank's fees or interest")


class LineRefused(DomainError):
    code = "bank_line_refused"
    title = gettext_noop("The line of the statement cannot be that")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the line is; which invoice, buyer or payout goes with it, where one does."""

    what: str
    invoice: Document | None = None
    buyer: Organisation | None = None
    payout: Payout | None = None


@transaction.atomic
def decide(line: BankLine, decision: Decision, *, viewer: Viewer, now: datetime) -> BankLine:
    """Move a line out of the suspense account, to where it belongs. Decided once."""
    actor = Actor(user=payouts.operator_of(viewer))
    rows = BankLine.objects.select_related("account")
    locked = rows.select_for_update(of=("self",), no_key=True).get(pk=line.pk)
    if locked.state != BankLine.State.UNMATCHED:
        raise LineRefused(_("This line is decided already."))
    cause = Cause(
        key=f"{locked.journal.key}:decided",
        description=f"Bank line {locked.bank_id} is decided"[:200],
        actor=actor,
        now=now,
    )
    locked.allocation_journal = _book(locked, decision, cause)
    locked.state = BankLine.State.ALLOCATED
    locked.save(update_fields=["allocation_journal", "state"])
    audit.record(
        actor=actor,
        action="payments.bank_line_decided",
        target=locked,
        now=now,
        data={
            "what": decision.what,
            "invoice": decision.invoice.number if decision.invoice else None,
            "buyer": decision.buyer.pk if decision.buyer else None,
            "payout": str(decision.payout.operation) if decision.payout else None,
            "amount": locked.amount,
        },
    )
    return locked


def _book(line: BankLine, decision: Decision, cause: Cause) -> Journal:
    if decision.what in {What.INVOICE, What.CREDIT}:
        return _received(line, decision, cause)
    if decision.what == What.PAYOUT:
        return _paid_out(line, decision.payout, cause)
    kind = STRIPE if decision.what == What.STRIPE else FEES
    debit, credit = (SUSPENSE, kind) if line.amount > 0 else (kind, SUSPENSE)
    return move(cause, amount=abs(line.amount), currency=line.account.currency, debit=debit, credit=credit)


def _received(line: BankLine, decision: Decision, cause: Cause) -> Journal:
    buyer = decision.invoice.organisation if decision.invoice else decision.buyer
    if line.amount < 0 or buyer is None:
        raise LineRefused(_("Only what arrived pays an invoice or becomes a buyer's credit; say whose."))
    if decision.invoice and decision.invoice.currency != line.account.currency:
        raise LineRefused(_("The invoice is in another currency than the account."))
    lock_party(buyer.pk)
    payment = Payment(
        rail=RailName.BANK,
        organisation=buyer,
        invoice=decision.invoice,
        amount=line.amount,
        currency=line.account.currency,
        bank_line=line,
        created_at=cause.now,
    )
    return finish(payment, [decision.invoice] if decision.invoice else [], cause=cause, debit=SUSPENSE)


def _paid_out(line: BankLine, payout: Payout | None, cause: Cause) -> Journal:
    locked = payouts.lock_payout(payout.pk) if payout else None
    if (
        locked is None
        or locked.state != Payout.State.INSTRUCTED
        or (locked.amount, locked.currency) != (-line.amount, line.account.currency)
    ):
        raise LineRefused(_("Choose a payout on its way, of the amount and the currency of the line."))
    journal = move(cause, amount=locked.amount, currency=locked.currency, debit=IN_TRANSIT, credit=SUSPENSE)
    payouts.executed(locked, actor=cause.actor, now=cause.now)
    return journal
