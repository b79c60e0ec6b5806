"""How charges, documents and postings look on pages: card-hours for card-seconds, units for minor units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Organisation
from billing.invoicing.models import Document, Line, TaxRule
from billing.invoicing.receivables import Standing, standing_of
from billing.invoicing.selectors import Planned
from billing.invoicing.spans import Span
from billing.ledger.models import Account, Posting
from billing.money import SECONDS_AN_HOUR, counted, from_minor
from billing.rating.models import Charge


def card_hours(card_seconds: int) -> Decimal:
    return Decimal(card_seconds) / SECONDS_AN_HOUR


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """``unit`` is that of the quantity: ``card-h`` or ``nP-h``.

    ``documents`` are those that the charge stands on and that are the reader's; none are ``waiting``.
    """

    charge: Charge
    quantity: Decimal
    unit: str
    documents: Sequence[Document]
    waiting: bool


def charge_line(charge: Charge, reader: Organisation | None = None) -> ChargeLine:
    """The charge must come with ``invoiced`` and its documents selected. Without a reader: both documents."""
    invoiced = getattr(charge, "invoiced", None)
    lines = (invoiced.invoice_line, invoiced.statement_line) if invoiced else ()
    documents = [line.document for line in lines]
    return ChargeLine(
        charge=charge,
        quantity=counted(charge.quantity, charge.agreement.unit),
        unit=charge.agreement.unit.short,
        documents=[each for each in documents if not reader or each.organisation_id == reader.pk],
        waiting=not documents,
    )


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """``standing`` and ``open`` are an invoice's; what is open on the others is the payments' business."""

    document: Document
    net: Decimal
    tax: Decimal
    total: Decimal
    standing: Standing | None
    open: Decimal | None


def document_line(document: Document, *, now: datetime) -> DocumentLine:
    """The document must come from ``with_open_amounts``."""
    currency = document.currency
    standing = standing_of(document, now=now) if document.kind == Document.Kind.INVOICE else None
    return DocumentLine(
        document=document,
        net=from_minor(document.net, currency),
        tax=from_minor(document.tax, currency),
        total=from_minor(document.total, currency),
        standing=standing,
        open=from_minor(standing.open, currency) if standing else None,
    )


@dataclass(frozen=True, slots=True)
class TaxLine:
    rule: TaxRule
    base: Decimal
    amount: Decimal


def tax_lines(document: Document) -> list[TaxLine]:
    """The tax of a document under each rule."""
    return [
        TaxLine(tax.rule, from_minor(tax.base, document.currency), from_minor(tax.amount, document.currency))
        for tax in document.taxes.select_related("rule").order_by("rule")
    ]


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A document as it would be made now, when its period closes."""

    span: Span
    late_charges: int
    kind: str
    organisation: Organisation
    currency: str
    lines: int
    net: Decimal
    tax: Decimal
    total: Decimal


def draft_lines(made: Sequence[Planned]) -> list[DraftLine]:
    parties = Organisation.objects.in_bulk({planned.draft.organisation for planned in made})
    return [
        DraftLine(
            span=planned.span,
            late_charges=planned.late_charges,
            kind=draft.kind.value,
            organisation=parties[draft.organisation],
            currency=draft.currency,
            lines=len(draft.lines),
            net=from_minor(draft.net, draft.currency),
            tax=from_minor(draft.tax, draft.currency),
            total=from_minor(draft.total, draft.currency),
        )
        for planned in made
        for draft in (planned.draft,)
    ]


@dataclass(frozen=True, slots=True)
class LineOfDocument:
    line: Line
    quantity: Decimal
    unit: str
    amount: Decimal


def line_of_document(line: Line, currency: str) -> LineOfDocument:
    unit = line.agreement.unit
    return LineOfDocument(line, counted(line.quantity, unit), unit.short, from_minor(line.amount, currency))


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
