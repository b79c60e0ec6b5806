"""What a printed document says, made up for the template."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import get_language

from billing.invoicing.models import Document, DocumentTax, Line, TaxRule
from billing.invoicing.selectors import lines_of
from billing.money import counted, from_minor


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """``unit`` is that of the quantity: ``card-h`` or ``nP-h``."""

    line: Line
    quantity: Decimal
    unit: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PrintedTax:
    rule: TaxRule
    base: Decimal
    amount: Decimal
    note: str


@dataclass(frozen=True, slots=True)
class Printed:
    """Names, addresses and notes are in the active language."""

    document: Document
    issuer: str
    address: str
    party: str
    lines: list[PrintedLine]
    taxes: list[PrintedTax]
    net: Decimal
    tax: Decimal
    total: Decimal


def printed(document: Document) -> Printed:
    chinese = (get_language() or "").startswith("zh")
    issuer, currency = document.issuer, document.currency
    return Printed(
        document=document,
        issuer=issuer.name_zh if chinese else issuer.name_en,
        address=issuer.address_zh if chinese else issuer.address_en,
        party=document.party_name_zh if chinese else document.party_name_en,
        lines=[_line(line, currency) for line in lines_of(document)],
        taxes=[
            _tax(tax, currency, chinese=chinese)
            for tax in document.taxes.select_related("rule").order_by("rule")
        ],
        net=from_minor(document.net, currency),
        tax=from_minor(document.tax, currency),
        total=from_minor(document.total, currency),
    )


def _line(line: Line, currency: str) -> PrintedLine:
    unit = line.agreement.unit
    return PrintedLine(line, counted(line.quantity, unit), unit.short, from_minor(line.amount, currency))


def _tax(tax: DocumentTax, currency: str, *, chinese: bool) -> PrintedTax:
    return PrintedTax(
        rule=tax.rule,
        base=from_minor(tax.base, currency),
        amount=from_minor(tax.amount, currency),
        note=tax.rule.note_zh if chinese else tax.rule.note_en,
    )
