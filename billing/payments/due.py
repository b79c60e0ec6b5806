"""What of an invoice is still to be paid, and what buyers have in credit. In minor units, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Sum

from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.ledger.models import Account, Posting
from billing.ledger.selectors import open_amounts
from billing.payments.models import UNDER_WAY, Payment


@dataclass(frozen=True, slots=True)
class Due:
    """``open`` counts payments and credit notes; below zero, the buyer gave more than it owes.

    ``payable`` is what a new payment may be: what is open, less what is under way.
    """

    open: int
    under_way: int

    @property
    def payable(self) -> int:
        return max(self.open - self.under_way, 0)

    @property
    def overpaid(self) -> int:
        return max(-self.open, 0)


def due_on(invoice: Document) -> Due:
    return dues_of([invoice])[invoice.pk]


def dues_of(invoices: Iterable[Document]) -> Mapping[int, Due]:
    """By the ids of the invoices, with two queries however many they are."""
    wanted = list(invoices)
    opened = open_amounts(Account.Kind.RECEIVABLE, [invoice.number for invoice in wanted])
    rows = Payment.objects.filter(invoice__in=wanted, state__in=UNDER_WAY).order_by().values_list("invoice")
    under_way = dict(rows.annotate(total=Sum("amount")))
    return {
        invoice.pk: Due(opened.get(invoice.number, 0), under_way.get(invoice.pk, 0)) for invoice in wanted
    }


def credit_of(organisation: Organisation | int, currency: str) -> int:
    """What a buyer has paid that belongs to no invoice."""
    party = organisation.pk if isinstance(organisation, Organisation) else organisation
    rows = Posting.objects.filter(
        account__kind=Account.Kind.RECEIVABLE,
        account__organisation=party,
        account__currency=currency,
        item="",
    )
    return -(rows.aggregate(total=Sum("amount"))["total"] or 0)


def overpaid(organisation: int, currency: str) -> list[str]:
    """The numbers of a buyer's invoices on which it has paid more than they ask, after a credit note."""
    rows = Posting.objects.filter(
        account__kind=Account.Kind.RECEIVABLE, account__organisation=organisation, account__currency=currency
    )
    items = rows.exclude(item="").order_by("item").values("item").annotate(total=Sum("amount"))
    return list(items.filter(total__lt=0).values_list("item", flat=True))
