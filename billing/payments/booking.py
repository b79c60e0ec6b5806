"""What payments move in the ledger. Debits are positive; each journal has the key of its cause.

Legs on what buyers owe and owners are owed carry the number of the document that they settle, so the ledger
knows what is open on each; legs without a number are credit that belongs to no document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.actors import Actor
from billing.invoicing.models import Document
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg, post_journal
from billing.payments.models import Payment

Kind = Account.Kind
# An account of the exchange, by its kind.
BANK, STRIPE, SUSPENSE = Kind.BANK, Kind.STRIPE, Kind.SUSPENSE
IN_TRANSIT, FEES = Kind.IN_TRANSIT, Kind.FEES

# What goes to which invoice; without an invoice, to the buyer's credit.
Plan = Sequence[tuple[Document | None, int]]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is booked: once for each ``key``."""

    key: str
    description: str
    actor: Actor
    now: datetime
    corrects: Journal | None = None


def book(cause: Cause, legs: Sequence[Leg]) -> Journal:
    return post_journal(
        key=cause.key,
        description=cause.description,
        booked_at=cause.now,
        legs=legs,
        actor=cause.actor,
        corrects=cause.corrects,
    )


def move(cause: Cause, *, amount: int, currency: str, debit: Account.Kind, credit: Account.Kind) -> Journal:
    """From one account of the exchange to another."""
    return book(cause, [Leg(debit, None, currency, amount), Leg(credit, None, currency, -amount)])


def on_invoices(plan: Plan, payment: Payment, *, sign: int) -> list[Leg]:
    """Legs of a plan on what a buyer owes: ``sign`` is -1 where it has paid, 1 where that is taken back."""
    return [
        Leg(
            Kind.RECEIVABLE,
            payment.organisation_id,
            payment.currency,
            sign * amount,
            item=invoice.number if invoice else "",
        )
        for invoice, amount in plan
    ]


def reverse(cause: Cause, journal: Journal, *, kind: Account.Kind, against: Leg) -> Journal:
    """Take back the legs that a journal has on accounts of a kind, each with its document's number."""
    legs = [
        Leg(kind, row.account.organisation_id, row.account.currency, -row.amount, item=row.item)
        for row in journal.postings.select_related("account").filter(account__kind=kind)
    ]
    return book(cause, [*legs, against])
