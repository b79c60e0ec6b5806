"""The API of invoicing: invoices and statements, their lines, and the charges on a line."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.models import BillingPeriod, Document, Line
from billing.invoicing.selectors import charges_of, document_for, documents_for, lines_of
from billing.money import from_minor
from billing.query import Filters
from billing.rating.api import ChargeSerializer
from billing.rating.models import Charge
from marketplace.api.views import DomainDetailView, DomainListView


class PeriodSerializer(serializers.ModelSerializer[BillingPeriod]):
    class Meta:
        model = BillingPeriod
        fields = ("starts_at", "ends_at", "closed_at")


class DocumentSerializer(serializers.ModelSerializer[Document]):
    """``total`` is in units of the currency, with all of its decimal places."""

    period = PeriodSerializer()
    total = serializers.SerializerMethodField()
    lines = serializers.IntegerField(source="line_count")
    journal = serializers.CharField(source="journal.key", default=None)

    class Meta:
        model = Document
        fields = (
            "number", "kind", "organisation", "period", "currency", "total", "finalised_at", "journal",
            "lines",
        )  # fmt: skip

    def get_total(self, document: Document) -> str:
        return str(from_minor(document.total, document.currency))


class LineSerializer(serializers.ModelSerializer[Line]):
    """``exact`` is the sum of the charges, ``amount`` that sum rounded: half away from zero, once."""

    delivery = serializers.IntegerField(source="agreement.delivery.pk")
    amount = serializers.SerializerMethodField()
    charges = serializers.IntegerField(source="charge_count")
    late_charges = serializers.IntegerField(source="late_count")

    class Meta:
        model = Line
        fields = ("id", "agreement", "delivery", "quantity", "exact", "amount", "charges", "late_charges")

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
        rows = documents_for(self.viewer).filter(kind=self.kind)
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
