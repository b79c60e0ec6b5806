"""Reading documents: finance of the buyer sees its invoices, of the owner its statements."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, F, Prefetch, Q, QuerySet, Sum, When
from django.http import Http404
from django.utils.translation import gettext as _

from accounts.actors import Capability, Viewer
from billing.invoicing.drafts import Billable, Draft, drafts
from billing.invoicing.intake import preview
from billing.invoicing.issuers import issuer_as_configured
from billing.invoicing.models import BillingPeriod, Document, DocumentTax, Line, ParkedBilling, Suspension
from billing.invoicing.receivables import with_open_amounts
from billing.invoicing.spans import Span, pending
from billing.rating.models import Charge
from billing.rating.selectors import charges_for, not_held
from marketplace.errors import NotAllowed


def periods() -> QuerySet[BillingPeriod]:
    """The closed periods, newest first."""
    return BillingPeriod.objects.order_by("-ends_at")


def documents_for(viewer: Viewer) -> QuerySet[Document]:
    """Invoices, statements and credit notes, newest first."""
    rows = Document.objects.select_related("organisation", "period", "journal", "credits", "issuer").order_by(
        "-pk"
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(organisation__in=viewer.organisations_with(Capability.FINANCE))


def document_for(viewer: Viewer, *, number: str, kind: str | None = None) -> Document:
    """The document, for finance, with ``open_amount``. A colleague is told why not; a stranger finds none."""
    named = Q(number=number) if kind is None else Q(number=number, kind=kind)
    found = with_open_amounts(documents_for(viewer).filter(named)).first()
    if found is not None:
        return found
    mine = viewer.organisations_with(Capability.READ)
    if Document.objects.filter(named, organisation__in=mine).exists():
        raise needs_finance()
    raise Http404


def needs_finance() -> NotAllowed:
    return NotAllowed(_("This shows money. Ask an administrator of your organisation for the role Finance."))


def invoices_for(viewer: Viewer) -> QuerySet[Document]:
    return documents_for(viewer).filter(kind=Document.Kind.INVOICE)


def statements_for(viewer: Viewer) -> QuerySet[Document]:
    return documents_for(viewer).filter(kind=Document.Kind.STATEMENT)


def credit_notes_for(viewer: Viewer) -> QuerySet[Document]:
    return documents_for(viewer).filter(kind=Document.Kind.CREDIT_NOTE)


def documents_to_export(viewer: Viewer) -> QuerySet[Document]:
    """Invoices and credit notes on invoices, oldest first, with all that an export reads."""
    rows = documents_for(viewer).filter(
        Q(kind=Document.Kind.INVOICE) | Q(credits__kind=Document.Kind.INVOICE)
    )
    fleet = "agreement__allocation__offer__fleet"
    lines = Line.objects.select_related(
        "agreement__owner", f"{fleet}__model", f"{fleet}__site__region"
    ).order_by("position")
    taxes = DocumentTax.objects.select_related("rule").order_by("rule")
    return rows.prefetch_related(Prefetch("lines", lines), Prefetch("taxes", taxes)).order_by("pk")


def totals_of(documents: QuerySet[Document]) -> QuerySet[Document, Any]:
    """What documents add up to, a row for each kind and currency, in minor units."""
    return (
        Document.objects.filter(pk__in=documents.order_by().values("pk"))
        .order_by("kind", "currency")
        .values("kind", "currency")
        .annotate(sum=Sum("total"), documents=Count("pk"))
    )


def lines_of(document: Document) -> QuerySet[Line]:
    """The lines of a document, each with ``late_count``: how many of its charges are of an earlier period."""
    late = Case(When(~Q(period=F("document__period")), then=F("charge_count")), default=0)
    return (
        Line.objects.filter(document=document)
        .select_related(
            "agreement__buyer",
            "agreement__owner",
            "agreement__delivery",
            "agreement__allocation__request",
            "agreement__allocation__offer__fleet__model",
            "agreement__allocation__offer__fleet__site",
            "period",
            "tax_rule",
            "corrects__document",
            "credits__document",
        )
        .annotate(late_count=late)
        .order_by("position")
    )


def charges_of(line: Line) -> QuerySet[Charge]:
    """The charges on a line, by slot; whoever may see the document may see them."""
    return (
        Charge.objects.filter(Q(invoiced__invoice_line=line) | Q(invoiced__statement_line=line))
        .select_related("agreement__buyer", "agreement__owner", "agreement__delivery", "corrects", "run")
        .order_by("slot", "sequence")
    )


def parked_billing_for(viewer: Viewer) -> QuerySet[ParkedBilling]:
    """What waits for a fact before it can stand on a document; for operators and auditors."""
    rows = ParkedBilling.objects.filter(resolved_at=None).select_related(
        "agreement__buyer", "agreement__owner", "period"
    )
    return rows.order_by("pk") if viewer.sees_everything else rows.none()


@dataclass(frozen=True, slots=True)
class Planned:
    """A document that will be made when a period closes, and how much of it is late usage of closed ones."""

    span: Span
    draft: Draft
    late_charges: int


def drafts_for(viewer: Viewer, *, now: datetime) -> list[Planned]:
    """What the next documents would say if they were made now, of what was charged so far, by period.

    Drafts are made up anew each time and stored nowhere, so they can say nothing old. What cannot be taxed is
    not in them: see ``parked_billing_for``. Late usage of closed periods is in the first that closes.
    """
    parties = None if viewer.sees_everything else viewer.organisations_with(Capability.FINANCE)
    spans = pending(now)
    of_spans: dict[int, list[Billable]] = defaultdict(list)
    for line in preview(issuer_as_configured(), spans, parties=parties).billable:
        of_spans[-line.period - 1 if line.period < 0 else 0].append(line)
    return [
        Planned(spans[number], draft, sum(line.charges for line in draft.lines if line.period > 0))
        for number, lines in sorted(of_spans.items())
        for draft in drafts(lines)
        if parties is None or draft.organisation in parties
    ]


def suspensions_for(viewer: Viewer) -> QuerySet[Suspension]:
    """The open ones of the viewer's organisations, or all for operators and auditors."""
    rows = Suspension.objects.filter(lifted_at=None).select_related(
        "organisation", "notice__document", "notice__step"
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(organisation__in=viewer.organisations_with(Capability.READ))


def open_charges_for(viewer: Viewer) -> QuerySet[Charge]:
    """Charges that will stand on the next documents; ``billing.rating.selectors.totals_of`` adds them up.

    Not those that a dispute holds.
    """
    return not_held(charges_for(viewer).filter(invoiced=None))
