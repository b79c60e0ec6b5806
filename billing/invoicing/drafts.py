"""From what was charged to what the documents say. Pure: no database, no clock.

The only place where money is rounded: each line once, by ``billing.money.to_minor``, and the tax once for
each rule, on the sum of the lines under it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.invoicing.models import Document
from billing.ledger.models import Account
from billing.ledger.services import Leg
from billing.money import tax_on, to_minor

Kind = Document.Kind
# Agreement, period, item, surcharge, and the tax rules of both sides.
LineKey = tuple[int, int, str, Decimal | None, int, int]


@dataclass(frozen=True, slots=True, order=True)
class Tax:
    """The rule that a line is taxed by."""

    rule: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Billable:
    """What the charges of one agreement in one period, under one tax rule a side, add up to, unrounded.

    All that invoicing needs to know from rating. ``item`` is what of a month of a term agreement it is, and
    empty where it is what an agreement used; of overage, ``surcharge`` is what its tier costs above the
    agreed price. ``service_from`` and ``service_until`` span the hours that were charged, or the months;
    ``invoice_tax`` is the rule of the exchange's supply to the buyer, ``statement_tax`` that of the owner's
    to the exchange.
    """

    agreement: int
    buyer: int
    owner: int
    currency: str
    period: int
    service_from: datetime
    service_until: datetime
    invoice_tax: Tax
    statement_tax: Tax
    quantity: int
    amount: Decimal
    credit: Decimal
    charges: int
    item: str = ""
    surcharge: Decimal | None = None

    @property
    def key(self) -> LineKey:
        taxes = self.invoice_tax.rule, self.statement_tax.rule
        return self.agreement, self.period, self.item, self.surcharge, *taxes

    @property
    def owed(self) -> int:
        """Minor units on the invoice line."""
        return to_minor(self.amount, self.currency)

    @property
    def credited(self) -> int:
        """Minor units on the statement line."""
        return to_minor(self.credit, self.currency)


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to be made: one party, one currency."""

    kind: Document.Kind
    organisation: int
    currency: str
    lines: tuple[Billable, ...]

    def amount_of(self, line: Billable) -> int:
        return line.owed if self.kind == Kind.INVOICE else line.credited

    def exact_of(self, line: Billable) -> Decimal:
        return line.amount if self.kind == Kind.INVOICE else line.credit

    def tax_of(self, line: Billable) -> Tax:
        return line.invoice_tax if self.kind == Kind.INVOICE else line.statement_tax

    @property
    def net(self) -> int:
        return sum(self.amount_of(line) for line in self.lines)

    @property
    def taxes(self) -> dict[Tax, tuple[int, int]]:
        """The sum of the lines under each rule, and the tax on it."""
        bases: dict[Tax, int] = defaultdict(int)
        for line in self.lines:
            bases[self.tax_of(line)] += self.amount_of(line)
        return {tax: (base, tax_on(base, tax.rate)) for tax, base in sorted(bases.items())}

    @property
    def tax(self) -> int:
        return sum(amount for _, amount in self.taxes.values())

    @property
    def total(self) -> int:
        return self.net + self.tax


def drafts(billables: Iterable[Billable]) -> list[Draft]:
    """An invoice for each buyer and a statement for each owner, by currency, in a fixed order."""
    grouped: dict[tuple[Document.Kind, int, str], list[Billable]] = defaultdict(list)
    for line in sorted(billables, key=lambda line: line.key):
        grouped[Kind.INVOICE, line.buyer, line.currency].append(line)
        grouped[Kind.STATEMENT, line.owner, line.currency].append(line)
    return [Draft(*key, lines=tuple(rows)) for key, rows in sorted(grouped.items())]


def legs_of_invoice(invoice: Draft, number: str, statements: Mapping[int, str]) -> list[Leg]:
    """What an invoice moves: the buyer owes it with its tax, owners are owed, the exchange keeps the rest.

    Both sides are rounded by themselves and the commission is what lies between them, so it balances.
    ``statements`` are the numbers of the owners' statements, by owner.
    """
    moves = [
        (Account.Kind.RECEIVABLE, invoice.organisation, invoice.total, number),
        (Account.Kind.TAX_OWED, None, -invoice.tax, ""),
    ]
    for line in invoice.lines:
        moves.append((Account.Kind.PAYABLE, line.owner, -line.credited, statements[line.owner]))
        moves.append((Account.Kind.COMMISSION, None, line.credited - line.owed, ""))
    return legs_of(moves, invoice.currency)


def legs_of_statement(statement: Draft, number: str) -> list[Leg]:
    """What a statement moves by itself: the owner is owed the tax, and the exchange may reclaim it."""
    moves = [
        (Account.Kind.TAX_PAID, None, statement.tax, ""),
        (Account.Kind.PAYABLE, statement.organisation, -statement.tax, number),
    ]
    return legs_of(moves, statement.currency)


def legs_of(moves: Iterable[tuple[Account.Kind, int | None, int, str]], currency: str) -> list[Leg]:
    """A leg for each place on which something moves."""
    amounts: dict[tuple[Account.Kind, int | None, str], int] = defaultdict(int)
    for kind, organisation, amount, item in moves:
        amounts[kind, organisation, item] += amount
    return [
        Leg(kind, organisation, currency, amount, item)
        for (kind, organisation, item), amount in amounts.items()
        if amount
    ]
