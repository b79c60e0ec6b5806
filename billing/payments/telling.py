"""What parties are told of their money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from billing.invoicing.models import Document
from billing.money import from_minor
from billing.payments.models import Payment, Payout
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News
from marketplace.web import formats


def paid(payment: Payment, invoices: Iterable[Document]) -> Sequence[News]:
    return [
        News(
            kind=Kind.INVOICE_PAID,
            organisation=invoice.organisation_id,
            key=f"{payment.pk} {invoice.number}",
            page=("billing:invoice", invoice.number),
            facts={"amount": _amount(payment.amount, payment.currency), "number": invoice.number},
        )
        for invoice in invoices
    ]


def payout(kind: Kind, told: Payout) -> News:
    return News(
        kind=kind,
        organisation=told.organisation_id,
        key=str(told.pk),
        page=("payments:payouts",),
        facts={"amount": _amount(told.amount, told.currency), "why": told.reason},
    )


def _amount(minor: int, currency: str) -> str:
    return formats.money(from_minor(minor, currency), currency)
