"""What a line of the bank's statement is about. Reads, and changes nothing: the preview shows the same."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from billing.invoicing.models import Document
from billing.payments.models import BankAccount, BankLine, Payout, PayoutBatch
from billing.payments.statements.parsing import ParsedLine
from billing.payments.statements.references import invoices_in


class Kind(StrEnum):
    """``KNOWN``: imported before with another file. ``CHANGED``: and there it said otherwise."""

    KNOWN = "known"
    CHANGED = "changed"
    INVOICES = "invoices"
    PAYOUTS = "payouts"
    RETURN = "return"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Match:
    kind: Kind
    invoices: Sequence[Document] = field(default=())
    payouts: Sequence[Payout] = field(default=())


def match(line: ParsedLine, account: BankAccount) -> Match:
    known = BankLine.objects.filter(account=account, bank_id=line.bank_id).first()
    if known is not None:
        same = (known.amount, known.booked_on) == (line.amount, line.booked_on)
        return Match(Kind.KNOWN if same else Kind.CHANGED)
    if line.amount < 0:
        return _payouts(line, account)
    came_back = _returned(line, account)
    return came_back or _paid(line, account)


def _paid(line: ParsedLine, account: BankAccount) -> Match:
    """Invoices of one buyer; a transfer that names two buyers' is for a person to look at."""
    invoices = invoices_in(line.text, account.currency)
    if not invoices or len({invoice.organisation_id for invoice in invoices}) > 1:
        return Match(Kind.NOTHING)
    return Match(Kind.INVOICES, invoices=invoices)


def _payouts(line: ParsedLine, account: BankAccount) -> Match:
    """One payout, or all of a file that the bank booked in one amount."""
    on_their_way = Payout.objects.filter(
        batch__account=account, state=Payout.State.INSTRUCTED
    ).select_related("organisation", "batch")
    operation = _uuid(line.end_to_end)
    found = list(on_their_way.filter(operation=operation)) if operation else []
    reference = _uuid(line.batch_reference) or operation
    if not found and reference:
        batch = PayoutBatch.objects.filter(reference=reference).first()
        found = list(on_their_way.filter(batch=batch).order_by("pk")) if batch else []
    if not found or sum(payout.amount for payout in found) != -line.amount:
        return Match(Kind.NOTHING)
    return Match(Kind.PAYOUTS, payouts=found)


def _returned(line: ParsedLine, account: BankAccount) -> Match | None:
    """A payout that was executed and sent back: it keeps its reference."""
    operation = _uuid(line.end_to_end)
    if operation is None:
        return None
    payouts = Payout.objects.filter(operation=operation, batch__account=account).select_related(
        "organisation"
    )
    payout = payouts.filter(state=Payout.State.EXECUTED).first()
    if payout is None or payout.returned + line.amount > payout.amount:
        return None
    return Match(Kind.RETURN, payouts=[payout])


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
