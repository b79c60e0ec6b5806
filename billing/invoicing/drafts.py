"""From what was charged to what the documents say. Pure: no database, no clock.

The only place where money is rounded: each line once, by ``billing.money.to_minor``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from billing.invoicing.models import Document
from billing.ledger.models import Account
from billing.ledger.services import Leg
from billing.money import to_minor

Kind = Document.Kind


@dataclass(frozen=True, slots=True)
class AgreementTotal:
    """What the charges of one agreement add up to in a closing, at full precision."""

    agreement: int
    buyer: int
    owner: int
    currency: str
    quantity: int
    amount: Decimal
    credit: Decimal
    charges: int

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
    """A document to be made: one party, one currency, a line an agreement."""

    kind: Document.Kind
    organisation: int
    currency: str
    totals: tuple[AgreementTotal, ...]

    @property
    def total(self) -> int:
        return sum(self.amount_of(total) for total in self.totals)

    def amount_of(self, total: AgreementTotal) -> int:
        return total.owed if self.kind == Kind.INVOICE else total.credited

    def exact_of(self, total: AgreementTotal) -> Decimal:
        return total.amount if self.kind == Kind.INVOICE else total.credit


def drafts(totals: Iterable[AgreementTotal]) -> list[Draft]:
    """An invoice for each buyer and a statement for each owner, by currency, in a fixed order."""
    grouped: dict[tuple[Document.Kind, int, str], list[AgreementTotal]] = defaultdict(list)
    for total in sorted(totals, key=lambda total: total.agreement):
        grouped[Kind.INVOICE, total.buyer, total.currency].append(total)
        grouped[Kind.STATEMENT, total.owner, total.currency].append(total)
    return [Draft(*key, totals=tuple(rows)) for key, rows in sorted(grouped.items())]


def legs_of(invoice: Draft) -> list[Leg]:
    """What an invoice moves: the buyer owes, the owners are owed, the exchange keeps the difference.

    Both sides are rounded by themselves and the commission is what lies between them, so it balances.
    Accounts on which nothing moves are left out.
    """
    amounts: dict[tuple[Account.Kind, int | None], int] = defaultdict(int)
    for total in invoice.totals:
        amounts[Account.Kind.RECEIVABLE, invoice.organisation] += total.owed
        amounts[Account.Kind.PAYABLE, total.owner] -= total.credited
        amounts[Account.Kind.COMMISSION, None] -= total.owed - total.credited
    return [
        Leg(kind, organisation, invoice.currency, amount)
        for (kind, organisation), amount in amounts.items()
        if amount
    ]
