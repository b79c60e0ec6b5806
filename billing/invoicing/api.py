"""The API of invoicing: invoices and statements, their lines, and the charges on a line."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.focus import as_focus
from billing.invoicing.models import BillingPeriod, Document, Line
from billing.invoicing.pdf import render_pdf
from billing.invoicing.receivables import InvoiceState, standing_of, with_open_amounts
from billing.invoicing.selectors import (
    charges_of,
    document_for,
    documents_for,
    documents_to_export,
    lines_of,
)
from billing.invoicing.spans import PeriodState, newest
from billing.money import from_minor
from billing.query import Filters
from billing.rating.api import ChargeSerializer
from billing.rating.models import Charge
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.errors import InvalidInput

PERIODS = 100


class PeriodSerializer(serializers.ModelSerializer[BillingPeriod]):
    """The period of a document: closed, whatever it was when the usage arrived."""

    state = serializers.ChoiceField(PeriodState.choices, default=PeriodState.CLOSED, read_only=True)

    class Meta:
        model = BillingPeriod
        fields = ("starts_at", "ends_at", "closed_at", "state")


class SpanSerializer(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    state = serializers.ChoiceField(PeriodState.choices)
    closes_at = serializers.DateTimeField(help_text="at the earliest: once all of it has been rated")
    closed_at = serializers.DateTimeField(allow_null=True)


class DocumentSerializer(serializers.ModelSerializer[Document]):
    """Amounts are in units of the currency, with all of its decimal places; those of a credit note are what
    it takes off. ``open`` and ``state`` are an invoice's.
    """

    period = PeriodSerializer()
    total = serializers.SerializerMethodField()
    open = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    credits = serializers.CharField(source="credits.number", default=None)
    lines = serializers.IntegerField(source="line_count")
    net = serializers.SerializerMethodField()
    tax = serializers.SerializerMethodField()
    journal = serializers.CharField(source="journal.key", default=None)

    class Meta:
        model = Document
        fields = (
            "number", "kind", "organisation", "period", "currency", "net", "tax", "total", "due_on", "open",
            "state", "credits", "reason", "finalised_at", "journal", "lines",
        )  # fmt: skip

    def get_open(self, document: Any) -> str | None:
        if document.kind != Document.Kind.INVOICE:
            return None
        return str(from_minor(document.open_amount, document.currency))

    @extend_schema_field(serializers.ChoiceField(InvoiceState.choices, allow_null=True))
    def get_state(self, document: Document) -> str | None:
        if document.kind != Document.Kind.INVOICE:
            return None
        return standing_of(document, now=self.context["view"].now).state.value

    def get_net(self, document: Document) -> str:
        return str(from_minor(document.net, document.currency))

    def get_tax(self, document: Document) -> str:
        return str(from_minor(document.tax, document.currency))

    def get_total(self, document: Document) -> str:
        return str(from_minor(document.total, document.currency))


class LineSerializer(serializers.ModelSerializer[Line]):
    """``exact`` is the sum of the charges, ``amount`` that sum rounded: half away from zero, once.

    ``corrects`` is the document whose line this one corrects, by usage that came late. ``item`` is empty for
    usage; it says what the months of a term agreement were charged for otherwise, which has no delivery.
    """

    delivery = serializers.IntegerField(source="agreement.delivery.pk", default=None, allow_null=True)
    unit = serializers.CharField(
        source="agreement.unit.seconds", help_text="Of the quantity: `card-seconds` or `micro-nP-seconds`."
    )
    item = serializers.CharField(help_text="Empty, overage, shortfall or make_up.")
    amount = serializers.SerializerMethodField()
    charges = serializers.IntegerField(source="charge_count")
    late_charges = serializers.IntegerField(source="late_count")
    period = PeriodSerializer(help_text="The period of the service: an earlier one for late usage.")
    tax_rate = serializers.DecimalField(source="tax_rule.rate", max_digits=7, decimal_places=6)
    corrects = serializers.CharField(source="corrects.document.number", default=None)

    class Meta:
        model = Line
        fields = (
            "id", "agreement", "item", "surcharge", "delivery", "period", "service_from",
            "service_until", "quantity", "unit", "exact", "amount", "tax_rate", "charges",
            "late_charges", "corrects",
        )  # fmt: skip

    def get_amount(self, line: Line) -> str:
        return str(from_minor(line.amount, self.context["document"].currency))


class DocumentDetailSerializer(DocumentSerializer):
    lines = serializers.SerializerMethodField()  # type: ignore[assignment]  # a list where the other has a count

    @extend_schema_field(LineSerializer(many=True))
    def get_lines(self, document: Document) -> Any:
        return LineSerializer(lines_of(document), many=True, context={"document": document}).data


class InvoiceList(DomainListView[Document]):
    kind: ClassVar[Document.Kind] = Document.Kind.INVOICE
    serializer_class = DocumentSerializer
    filters = Filters(
        integers={"organisation": "organisation"},
        texts={"currency": "currency"},
        moments={"from": "period__starts_at__gte", "until": "period__ends_at__lte"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Document]:
        rows = with_open_amounts(documents_for(self.viewer).filter(kind=self.kind))
        return self.filters.apply(rows, self.request.query_params)


class InvoiceDetail(DomainDetailView[Document]):
    kind: ClassVar[Document.Kind] = Document.Kind.INVOICE
    serializer_class = DocumentDetailSerializer
    lookup_field = "number"

    def get_queryset(self) -> QuerySet[Document]:
        return documents_for(self.viewer).filter(kind=self.kind)

    def get_object(self) -> Document:
        return document_for(self.viewer, kind=self.kind, number=self.kwargs["number"])


class InvoiceLineCharges(DomainListView[Charge]):
    """The charges on a line; each names its readings."""

    kind: ClassVar[Document.Kind] = Document.Kind.INVOICE
    serializer_class = ChargeSerializer

    def get_queryset(self) -> QuerySet[Charge]:
        if getattr(self, "swagger_fake_view", False):
            return Charge.objects.none()
        document = document_for(self.viewer, kind=self.kind, number=self.kwargs["number"])
        return charges_of(get_object_or_404(Line, document=document, pk=self.kwargs["line"]))


class StatementList(InvoiceList):
    kind = Document.Kind.STATEMENT


class StatementDetail(InvoiceDetail):
    kind = Document.Kind.STATEMENT


class StatementLineCharges(InvoiceLineCharges):
    kind = Document.Kind.STATEMENT


class CreditNoteList(InvoiceList):
    kind = Document.Kind.CREDIT_NOTE


class CreditNoteDetail(InvoiceDetail):
    kind = Document.Kind.CREDIT_NOTE


class PeriodList(DomainView):
    """The newest billing periods, newest first: open, in grace, or closed."""

    @extend_schema(responses=SpanSerializer(many=True))
    def get(self, _request: Request) -> Response:
        return Response(SpanSerializer(newest(self.now, count=PERIODS), many=True).data)


class DocumentPdf(DomainView):
    """Any document as PDF, in English or Chinese."""

    @extend_schema(
        parameters=[OpenApiParameter("language", enum=["en", "zh-hans"])],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        document = document_for(self.viewer, number=number)
        language = request.query_params.get("language", "en")
        if language not in dict(settings.LANGUAGES):
            raise InvalidInput(_("There is no such language."), {"language": _("Give en or zh-hans.")})
        return HttpResponse(render_pdf(document, language=language), content_type="application/pdf")


class FocusExport(DomainView):
    """Invoices and credit notes as FOCUS 1.2 (FinOps Open Cost and Usage Specification), in CSV."""

    filters = Filters(moments={"from": "period__starts_at__gte", "until": "period__ends_at__lte"})

    @extend_schema(parameters=filters.parameters(), responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        rows = self.filters.apply(documents_to_export(self.viewer), request.query_params)
        return StreamingHttpResponse(as_focus(rows.iterator(200)), content_type="text/csv; charset=utf-8")
