"""How charges, documents and postings look on pages: card-hours for card-seconds, units for minor units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.invoicing.models import Document, Line
from billing.ledger.models import Account, Posting
from billing.money import SECONDS_AN_HOUR, from_minor
from billing.rating.models import Charge


def card_hours(card_seconds: int) -> Decimal:
    return Decimal(card_seconds) / SECONDS_AN_HOUR


@dataclass(frozen=True, slots=True)
class ChargeLine:
    charge: Charge
    quantity: Decimal
    invoice: Document | None
    statement: Document | None


def charge_line(charge: Charge) -> ChargeLine:
    """The charge must come with ``invoiced`` and its documents selected."""
    invoiced = getattr(charge, "invoiced", None)
    return ChargeLine(
        charge=charge,
        quantity=card_hours(charge.quantity),
        invoice=invoiced.invoice_line.document if invoiced else None,
        statement=invoiced.statement_line.document if invoiced else None,
    )


@dataclass(frozen=True, slots=True)
class DocumentLine:
    document: Document
    total: Decimal


def document_line(document: Document) -> DocumentLine:
    return DocumentLine(document, from_minor(document.total, document.currency))


@dataclass(frozen=True, slots=True)
class LineOfDocument:
    line: Line
    quantity: Decimal
    amount: Decimal


def line_of_document(line: Line, currency: str) -> LineOfDocument:
    return LineOfDocument(line, card_hours(line.quantity), from_minor(line.amount, currency))


@dataclass(frozen=True, slots=True)
class PostingLine:
    """``running`` is the balance of the posting's account after it."""

    posting: Posting
    amount: Decimal
    running: Decimal

    @property
    def credit(self) -> Decimal:
        return -self.amount


def posting_line(posting: Posting) -> PostingLine:
    """The posting must come from ``statement_of``."""
    currency = posting.account.currency
    running: int = posting.running  # type: ignore[attr-defined]
    return PostingLine(posting, from_minor(posting.amount, currency), from_minor(running, currency))


@dataclass(frozen=True, slots=True)
class AccountLine:
    account: Account
    balance: Decimal

    @property
    def owed(self) -> Decimal:
        """What the exchange owes to the party."""
        return -self.balance


def account_lines(accounts: Iterable[Any]) -> list[AccountLine]:
    """The accounts must come from ``accounts_for``."""
    return [AccountLine(each, from_minor(each.balance, each.currency)) for each in accounts]
