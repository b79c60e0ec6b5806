"""The lists of billing: charges, documents, and what waits for a fact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from django.db.models import Q, Sum
from django.db.models.expressions import Combinable
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from billing.invoicing.models import Document, ParkedBilling
from billing.invoicing.receivables import with_open_amounts
from billing.money import from_minor
from billing.presentation import ChargeLine, DocumentLine, card_hours
from billing.rating.models import OF_MONTHS, Charge
from marketplace.web import formats, tables
from marketplace.web.tables import cells

CARD_HOURS = "card-h"
WITH_DOCUMENTS = ("invoiced__invoice_line__document", "invoiced__statement_line__document")
PAGE_OF = {
    Document.Kind.INVOICE: "billing:invoice",
    Document.Kind.STATEMENT: "billing:statement",
    Document.Kind.CREDIT_NOTE: "billing:credit_note",
}


def _of_minor_units(sum_of: Combinable) -> tables.Total:
    return tables.Total(sum_of, lambda minor, currency: formats.money(from_minor(minor, currency), currency))


def _of_card_seconds(sum_of: Combinable) -> tables.Total:
    return tables.Total(sum_of, lambda seconds, _currency: formats.number(card_hours(seconds)))


def _charge(line: ChargeLine) -> SafeString:
    charge = line.charge
    opens = cells.link(reverse("billing:charge", args=[charge.pk]), charge)
    if charge.corrects_id is None:
        return opens
    corrects = _("corrects C%(other)s") % {"other": charge.corrects_id}
    return format_html('{} <span class="text-muted">{}</span>', opens, corrects)


def _quantity(line: ChargeLine) -> SafeString:
    """With its unit where that is not what the column says."""
    hours = line.quantity
    return escape(formats.number(hours) if line.unit == CARD_HOURS else formats.quantity(hours, line.unit))


def _documents(line: ChargeLine) -> SafeString:
    if line.waiting:
        return format_html('<span class="text-muted">{}</span>', _("not yet"))
    return format_html_join(" ", "{}", ((_opened(document),) for document in line.documents))


def _opened(document: Document) -> SafeString:
    kind = Document.Kind(document.kind)
    return cells.link(reverse(PAGE_OF[kind], args=[document.number]), document)


CHARGES: tables.Table[Charge, ChargeLine] = tables.registered(
    tables.Table(
        name="usage",
        title=gettext_lazy("Charges"),
        columns=(
            tables.Column(
                "charge",
                gettext_lazy("Charge"),
                _charge,
                (
                    tables.Field(gettext_lazy("Charge"), lambda line: line.charge.pk),
                    tables.Field(gettext_lazy("Corrects"), lambda line: line.charge.corrects_id),
                ),
                "pk",
                names_the_row=True,
            ),
            tables.text(
                "agreement",
                gettext_lazy("Agreement"),
                lambda line: line.charge.agreement_id,
                cell=lambda line: cells.link(
                    reverse("agreements:agreement", args=[line.charge.agreement_id]), line.charge.agreement
                ),
                sort="agreement",
            ),
            tables.aside(
                tables.text(
                    "buyer",
                    gettext_lazy("Buyer"),
                    lambda line: line.charge.agreement.buyer,
                    sort="agreement__buyer__name_en",
                )
            ),
            tables.aside(
                tables.text(
                    "owner",
                    gettext_lazy("Owner"),
                    lambda line: line.charge.agreement.owner,
                    sort="agreement__owner__name_en",
                )
            ),
            tables.moment("hour", gettext_lazy("Hour from"), lambda line: line.charge.slot, sort="slot"),
            tables.Column(
                "quantity",
                gettext_lazy("Delivered"),
                _quantity,
                (
                    tables.Field(gettext_lazy("Quantity"), lambda line: line.charge.quantity),
                    tables.Field(gettext_lazy("Counted in"), lambda line: line.charge.agreement.unit.seconds),
                ),
                "quantity",
                _of_card_seconds(Sum("quantity", filter=~Q(kind__in=OF_MONTHS), default=0)),
                is_number=True,
                unit=CARD_HOURS,
            ),
            tables.Column(
                "price",
                gettext_lazy("Price"),
                lambda line: escape(formats.price(line.charge.price, line.charge.currency, line.unit)),
                (
                    tables.Field(gettext_lazy("Price"), lambda line: line.charge.price),
                    tables.Field(gettext_lazy("Currency"), lambda line: line.charge.currency),
                ),
                "price",
                is_number=True,
            ),
            tables.money(
                "amount",
                gettext_lazy("Amount"),
                lambda line: line.charge.amount,
                lambda line: line.charge.currency,
                sort="amount",
                total=tables.of_money(Sum("amount")),
            ),
            tables.money(
                "commission",
                gettext_lazy("Commission"),
                lambda line: line.charge.commission,
                lambda line: line.charge.currency,
                total=tables.of_money(Sum("commission")),
            ),
            tables.money(
                "credit",
                pgettext_lazy("charge", "Credit"),
                lambda line: line.charge.credit,
                lambda line: line.charge.currency,
                total=tables.of_money(Sum("credit")),
            ),
            tables.text(
                "document",
                gettext_lazy("Document"),
                lambda line: " ".join(document.number for document in line.documents),
                cell=_documents,
            ),
        ),
        first="-hour",
        whole=lambda rows: rows.select_related(*WITH_DOCUMENTS),
        sums_by="currency",
    )
)


def _due(line: DocumentLine) -> str:
    due = line.document.due_on
    return due.isoformat() if due else ""


def _standing(line: DocumentLine) -> str:
    return line.standing.state if line.standing else ""


_OF_DOCUMENTS: Sequence[tables.Column[DocumentLine]] = (
    tables.name(
        "number",
        gettext_lazy("Number"),
        lambda line: line.document,
        link=lambda line: reverse(PAGE_OF[Document.Kind(line.document.kind)], args=[line.document.number]),
        sort="number",
    ),
    tables.text(
        "party",
        gettext_lazy("Organisation"),
        lambda line: line.document.organisation,
        sort="organisation__name_en",
        width="min-w-32",
    ),
    tables.window(
        "period",
        gettext_lazy("Period"),
        lambda line: line.document.period.starts_at,
        lambda line: line.document.period.ends_at,
        sort="period__starts_at",
        fields=(gettext_lazy("Period from"), gettext_lazy("Period until")),
    ),
    tables.number("lines", gettext_lazy("Lines"), lambda line: line.document.line_count),
    tables.aside(
        tables.money(
            "net",
            gettext_lazy("Net"),
            lambda line: line.net,
            lambda line: line.document.currency,
            total=_of_minor_units(Sum("net")),
        )
    ),
    tables.aside(
        tables.money(
            "tax",
            gettext_lazy("Tax"),
            lambda line: line.tax,
            lambda line: line.document.currency,
            total=_of_minor_units(Sum("tax")),
        )
    ),
    tables.money(
        "total",
        gettext_lazy("Total"),
        lambda line: line.total,
        lambda line: line.document.currency,
        sort="total",
        total=_of_minor_units(Sum("total")),
    ),
)
_OF_INVOICES: Sequence[tables.Column[DocumentLine]] = (
    tables.money(
        "open", pgettext_lazy("amount", "Open"), lambda line: line.open, lambda line: line.document.currency
    ),
    tables.text("due", gettext_lazy("Due"), _due, sort="due_on", width="nowrap"),
    tables.state(
        "state",
        gettext_lazy("State"),
        _standing,
        label=lambda line: line.standing.state.label if line.standing else "",
    ),
)
_FINALISED: tables.Column[DocumentLine] = tables.moment(
    "finalised", gettext_lazy("Finalised"), lambda line: line.document.finalised_at
)


def _documents_table(
    name: str, title: str | Promise, kind: Document.Kind
) -> tables.Table[Document, DocumentLine]:
    """An invoice is open until it is paid; a statement and a credit note are not."""
    own = _OF_INVOICES if kind == Document.Kind.INVOICE else ()
    return tables.registered(
        tables.Table(
            name=name,
            title=title,
            columns=(*_OF_DOCUMENTS, *own, _FINALISED),
            first="-number",
            whole=with_open_amounts,
            sums_by="currency",
        )
    )


DOCUMENTS: Mapping[Document.Kind, tables.Table[Document, DocumentLine]] = {
    Document.Kind.INVOICE: _documents_table("invoices", gettext_lazy("Invoices"), Document.Kind.INVOICE),
    Document.Kind.STATEMENT: _documents_table(
        "statements", gettext_lazy("Statements"), Document.Kind.STATEMENT
    ),
    Document.Kind.CREDIT_NOTE: _documents_table(
        "credit-notes", gettext_lazy("Credit notes"), Document.Kind.CREDIT_NOTE
    ),
}


def _known_facts(parked: ParkedBilling) -> SafeString:
    return format_html_join(" ", "<code>{}: {}</code>", parked.details.items())


PARKED: tables.Table[ParkedBilling, ParkedBilling] = tables.registered(
    tables.Table(
        name="parked-billing",
        title=gettext_lazy("Agreements that wait"),
        columns=(
            tables.name(
                "agreement",
                gettext_lazy("Agreement"),
                lambda row: row.agreement,
                link=lambda row: reverse("agreements:agreement", args=[row.agreement_id]),
                value=lambda row: row.agreement_id,
                sort="agreement",
            ),
            tables.text(
                "buyer",
                gettext_lazy("Buyer"),
                lambda row: row.agreement.buyer,
                sort="agreement__buyer__name_en",
                width="min-w-32",
            ),
            tables.text(
                "owner",
                gettext_lazy("Owner"),
                lambda row: row.agreement.owner,
                sort="agreement__owner__name_en",
                width="min-w-32",
            ),
            tables.Column(
                "missing",
                gettext_lazy("What is missing"),
                lambda row: cells.badge("parked", row.get_reason_display()),
                (tables.Field(gettext_lazy("What is missing"), lambda row: row.reason),),
                "reason",
            ),
            tables.text(
                "known", gettext_lazy("What is known"), lambda row: json.dumps(row.details), cell=_known_facts
            ),
            tables.moment("since", gettext_lazy("Since"), lambda row: row.parked_at, sort="parked_at"),
        ),
        first="since",
    )
)
