"""Pages of documents: invoices, statements, credit notes, what will stand on them, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest
from billing.access import require_finance
from billing.forms import CreditNoteForm, DocumentFilter, ExportFilter, PdfForm, problems_in
from billing.invoicing.credit_notes import creditable, issue_credit_note
from billing.invoicing.focus import as_focus
from billing.invoicing.models import Document
from billing.invoicing.pdf import render_pdf
from billing.invoicing.receivables import overdue_at, with_open_amounts
from billing.invoicing.selectors import (
    charges_of,
    document_for,
    documents_for,
    documents_to_export,
    drafts_for,
    lines_of,
    parked_billing_for,
    suspensions_for,
)
from billing.invoicing.selectors import totals_of as totals_of_documents
from billing.invoicing.spans import newest
from billing.money import from_minor
from billing.presentation import (
    LineOfDocument,
    charge_line,
    document_line,
    draft_lines,
    line_of_document,
    tax_lines,
)
from billing.tables import DOCUMENTS, PARKED
from marketplace.clock import market_now
from marketplace.errors import InvalidInput
from marketplace.web.listing import Field, as_csv, csv_link, page_of
from marketplace.web.tables import as_it_is, show

Kind = Document.Kind
PERIODS_SHOWN = 6

LINES: Sequence[Field[LineOfDocument]] = (
    Field(gettext_lazy("Agreement"), lambda each: each.line.agreement),
    Field(gettext_lazy("Service from"), lambda each: each.line.service_from),
    Field(gettext_lazy("Service until"), lambda each: each.line.service_until),
    Field(gettext_lazy("Quantity"), lambda each: each.line.quantity),
    Field(gettext_lazy("Counted in"), lambda each: each.line.agreement.unit.seconds),
    Field(gettext_lazy("Before rounding"), lambda each: each.line.exact),
    Field(gettext_lazy("Amount"), lambda each: each.amount),
    Field(gettext_lazy("Tax rate"), lambda each: each.line.tax_rule.rate),
    Field(gettext_lazy("Corrects"), lambda each: each.line.corrects and each.line.corrects.document),
    Field(gettext_lazy("Credits"), lambda each: each.line.credits and each.line.credits.document),
)


@login_required
@require_safe
def documents(request: PageRequest, kind: Document.Kind) -> HttpResponseBase:
    require_finance(request)
    now, choice = market_now(), DocumentFilter(request.GET)
    everything = documents_for(request.viewer).filter(kind=kind)
    rows = choice.of(everything)
    context = {
        "filter": choice,
        "kind": kind,
        "all": _in_units(everything),
        "overdue": _overdue(request) if kind == Kind.INVOICE else [],
        "suspended": suspensions_for(request.viewer) if kind == Kind.INVOICE else [],
    }
    return show(
        request,
        DOCUMENTS[kind],
        rows,
        "billing/documents.html",
        context,
        line=lambda row: document_line(row, now=now),
    )


@login_required
@require_safe
def document(request: PageRequest, kind: Document.Kind, number: str) -> HttpResponseBase:
    shown = document_for(request.viewer, kind=kind, number=number)
    lines = [line_of_document(each, shown.currency) for each in lines_of(shown)]
    if request.GET.get("format") == "csv":
        return as_csv(shown.number, LINES, lines)
    line = document_line(shown, now=market_now())
    notes = documents_for(request.viewer).filter(credits=shown)
    context = {
        "document": shown,
        "kind": kind,
        "shown": line,
        "total": line.total,
        "standing": line.standing,
        "lines": lines,
        "taxes": tax_lines(shown),
        "csv": csv_link(request),
        "notes": [document_line(note, now=market_now()) for note in with_open_amounts(notes)],
        "notices": shown.notices.select_related("step").order_by("taken_at"),
        "creditable": _creditable(request, shown),
    }
    return render(request, "billing/document.html", context)


@login_required
@require_safe
def line(request: PageRequest, kind: Document.Kind, number: str, pk: int) -> HttpResponse:
    """The charges on a line of a document, which add up to it before it was rounded."""
    shown = document_for(request.viewer, kind=kind, number=number)
    of_line = get_object_or_404(lines_of(shown), pk=pk)
    rows = charges_of(of_line)
    page = page_of(request, rows)
    page.object_list = [charge_line(each) for each in page.object_list]
    context = {
        "document": shown,
        "kind": kind,
        "line": line_of_document(of_line, shown.currency),
        "page": page,
        "sells": kind == Kind.STATEMENT,
    }
    return render(request, "billing/line.html", context)


@login_required
@require_safe
def pdf(request: PageRequest, kind: Document.Kind, number: str) -> HttpResponse:
    """The document as PDF, in the language that ``?language=`` names or else the reader's."""
    shown = document_for(request.viewer, kind=kind, number=number)
    language = PdfForm(request.GET).language_or(get_language() or "en")
    response = HttpResponse(render_pdf(shown, language=language), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{shown.number}.{language}.pdf"'
    return response


@login_required
@require_safe
def focus(request: PageRequest) -> HttpResponseBase:
    """Invoices and their credit notes as FOCUS 1.2, of the periods that ``?since=`` and ``?until=`` bound."""
    require_finance(request)
    rows = ExportFilter(request.GET).of(documents_to_export(request.viewer))
    response = StreamingHttpResponse(as_focus(rows.iterator(200)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="cardhour-focus-1.2.csv"'
    return response


@login_required
@require_safe
def drafts(request: PageRequest) -> HttpResponse:
    """What the next documents would say if their periods closed now, and how the periods stand."""
    require_finance(request)
    now = market_now()
    made = drafts_for(request.viewer, now=now)
    context = {"page": page_of(request, draft_lines(made)), "periods": newest(now, count=PERIODS_SHOWN)}
    return render(request, "billing/drafts.html", context)


@login_required
@require_POST
def credit(request: PageRequest, number: str) -> HttpResponse:
    invoice = get_object_or_404(documents_for(request.viewer), kind=Kind.INVOICE, number=number)
    form = CreditNoteForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("No credit note was made."), problems_in(form))
    note = issue_credit_note(
        viewer=request.viewer, invoice=invoice, now=market_now(), **form.credit_in(invoice.currency)
    )
    messages.success(request, _("%(number)s is final, and booked.") % {"number": note.number})
    return redirect("billing:credit_note", note.number)


@login_required
@require_safe
def parked(request: PageRequest) -> HttpResponseBase:
    """Charges that cannot stand on a document until somebody enters a fact, for operators and auditors."""
    if not request.viewer.sees_everything:
        raise Http404
    return show(request, PARKED, parked_billing_for(request.viewer), "billing/parked.html", {}, line=as_it_is)


def _creditable(request: PageRequest, shown: Document) -> Decimal | None:
    """What a credit note may take off, for operators."""
    if shown.kind != Kind.INVOICE or not request.viewer.is_operator:
        return None
    return from_minor(creditable(shown), shown.currency)


def _overdue(request: PageRequest) -> list[dict[str, object]]:
    """What the reader's invoices have overdue, by currency."""
    viewer = request.viewer
    mine = None if viewer.sees_everything else viewer.organisations_with(Capability.FINANCE)
    sums: dict[str, list[int]] = {}
    for one in overdue_at(market_now(), organisations=mine):
        sums.setdefault(one.currency, []).append(one.open)
    return [
        {"currency": currency, "count": len(amounts), "sum": from_minor(sum(amounts), currency)}
        for currency, amounts in sorted(sums.items())
    ]


def _in_units(rows: QuerySet[Document]) -> list[dict[str, object]]:
    return [
        {
            "currency": total["currency"],
            "count": total["documents"],
            "sum": from_minor(total["sum"], total["currency"]),
        }
        for total in totals_of_documents(rows)
    ]
