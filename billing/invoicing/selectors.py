"""Reading documents: finance of the buyer sees its invoices, of the owner its statements."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import Http404
from django.utils.translation import gettext as _

from accounts.actors import Capability, Viewer
from billing.invoicing.models import BillingPeriod, Document, Line
from billing.rating.models import Charge
from billing.rating.selectors import charges_for
from marketplace.errors import NotAllowed


def periods() -> QuerySet[BillingPeriod]:
    """The closed periods, newest first."""
    return BillingPeriod.objects.order_by("-ends_at")


def documents_for(viewer: Viewer) -> QuerySet[Document]:
    """Invoices and statements, newest first, each with ``line_count``."""
    rows = (
        Document.objects.select_related("organisation", "period", "journal")
        .annotate(line_count=Count("lines"))
        .order_by("-pk")
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(organisation__in=viewer.organisations_with(Capability.FINANCE))


def document_for(viewer: Viewer, *, kind: str, number: str) -> Document:
    """The document, for finance. A colleague is told why not; for a stranger there is none."""
    found = documents_for(viewer).filter(kind=kind, number=number).first()
    if found is not None:
        return found
    mine = viewer.organisations_with(Capability.READ)
    if Document.objects.filter(kind=kind, number=number, organisation__in=mine).exists():
        raise needs_finance()
    raise Http404


def needs_finance() -> NotAllowed:
    return NotAllowed(_("This shows money. Ask an administrator of your organisation for the role Finance."))


def invoices_for(viewer: Viewer) -> QuerySet[Document]:
    return documents_for(viewer).filter(kind=Document.Kind.INVOICE)


def statements_for(viewer: Viewer) -> QuerySet[Document]:
    return documents_for(viewer).filter(kind=Document.Kind.STATEMENT)


def totals_of(documents: QuerySet[Document]) -> QuerySet[Document, Any]:
    """What documents add up to, a row for each kind and currency, in minor units."""
    return (
        Document.objects.filter(pk__in=documents.order_by().values("pk"))
        .order_by("kind", "currency")
        .values("kind", "currency")
        .annotate(sum=Sum("total"), documents=Count("pk"))
    )


def lines_of(document: Document) -> QuerySet[Line]:
    """The lines of a document, each with ``charge_count`` and ``late_count`` (charges of earlier periods)."""
    charges = "invoiced_charges" if document.kind == Document.Kind.INVOICE else "credited_charges"
    late = Q(**{f"{charges}__charge__slot__lt": F("document__period__starts_at")})
    return (
        Line.objects.filter(document=document)
        .select_related(
            "agreement__buyer",
            "agreement__owner",
            "agreement__delivery",
            "agreement__allocation__request",
            "agreement__allocation__offer__fleet__model",
            "agreement__allocation__offer__fleet__site",
        )
        .annotate(charge_count=Count(charges), late_count=Count(charges, filter=late))
        .order_by("agreement")
    )


def charges_of(line: Line) -> QuerySet[Charge]:
    """The charges on a line, by slot; whoever may see the document may see them."""
    return (
        Charge.objects.filter(Q(invoiced__invoice_line=line) | Q(invoiced__statement_line=line))
        .select_related("agreement__buyer", "agreement__owner", "agreement__delivery", "corrects", "run")
        .order_by("slot", "sequence")
    )


def open_charges_for(viewer: Viewer) -> QuerySet[Charge]:
    """Charges that stand on no document yet; ``billing.rating.selectors.totals_of`` adds them up."""
    return charges_for(viewer).filter(invoiced=None)
