"""What parties are told of their documents."""

from __future__ import annotations

from billing.invoicing.models import Document
from billing.invoicing.receivables import Overdue
from billing.money import from_minor
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News
from marketplace.web import formats


def finalised(document: Document) -> News:
    """Of an invoice or of a statement; credit notes answer what the party asked itself."""
    is_invoice = document.kind == Document.Kind.INVOICE
    total = formats.money(from_minor(document.total, document.currency), document.currency)
    facts = {"number": document.number, "total": total}
    return News(
        kind=Kind.INVOICE_ISSUED if is_invoice else Kind.STATEMENT_ISSUED,
        organisation=document.organisation_id,
        key=document.number,
        page=("billing:invoice" if is_invoice else "billing:statement", document.number),
        facts=facts | ({"due": f"{document.due_on:%F}"} if is_invoice else {}),
    )


def overdue(invoice: Overdue) -> News:
    """Told again at each step of dunning, so the days are part of the key."""
    still_open = formats.money(from_minor(invoice.open, invoice.currency), invoice.currency)
    return News(
        kind=Kind.INVOICE_OVERDUE,
        organisation=invoice.organisation,
        key=f"{invoice.number} {invoice.days}",
        page=("billing:invoice", invoice.number),
        facts={"number": invoice.number, "days": str(invoice.days), "open": still_open},
    )
