"""The API of payments: what was paid, with what, and what was paid out. Reading only: people move money."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.money import from_minor
from billing.payments.models import Payment, Payout, SavedMethod
from billing.payments.selectors import methods_for, payment_for, payments_for, payouts_for
from billing.query import Filters
from marketplace.api.views import DomainDetailView, DomainListView


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """``amount`` is in units of the currency. ``operation`` names the payment for ever."""

    invoice = serializers.CharField(source="invoice.number", default=None)
    method = serializers.CharField(source="method.label", default=None)
    amount = serializers.SerializerMethodField()
    state = serializers.CharField()
    rail = serializers.CharField()

    class Meta:
        model = Payment
        fields = (
            "operation", "organisation", "invoice", "amount", "currency", "rail", "method", "state", "reason",
            "created_at",
        )  # fmt: skip

    def get_amount(self, payment: Payment) -> str:
        return str(from_minor(payment.amount, payment.currency))


class MethodSerializer(serializers.ModelSerializer[SavedMethod]):
    kind = serializers.CharField()

    class Meta:
        model = SavedMethod
        fields = ("id", "organisation", "kind", "label", "expires", "added_at")


class PayoutSerializer(serializers.ModelSerializer[Payout]):
    """``returned`` is what came back of it."""

    amount = serializers.SerializerMethodField()
    returned = serializers.SerializerMethodField()
    state = serializers.CharField()
    rail = serializers.CharField(source="batch.rail")
    approved_at = serializers.DateTimeField(source="batch.decided_at", allow_null=True)

    class Meta:
        model = Payout
        fields = (
            "operation", "organisation", "amount", "returned", "currency", "rail", "state", "reason",
            "approved_at",
        )  # fmt: skip

    def get_amount(self, payout: Payout) -> str:
        return str(from_minor(payout.amount, payout.currency))

    def get_returned(self, payout: Payout) -> str:
        return str(from_minor(payout.returned, payout.currency))


class PaymentList(DomainListView[Payment]):
    serializer_class = PaymentSerializer
    filters = Filters(
        integers={"organisation": "organisation"},
        texts={"currency": "currency", "state": "state", "invoice": "invoice__number"},
        moments={"from": "created_at__gte", "until": "created_at__lt"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Payment]:
        return self.filters.apply(payments_for(self.viewer), self.request.query_params)


class PaymentDetail(DomainDetailView[Payment]):
    serializer_class = PaymentSerializer
    lookup_field = "operation"

    def get_queryset(self) -> QuerySet[Payment]:
        return payments_for(self.viewer)

    def get_object(self) -> Payment:
        return payment_for(self.viewer, self.kwargs["operation"])


class MethodList(DomainListView[SavedMethod]):
    serializer_class = MethodSerializer

    def get_queryset(self) -> QuerySet[SavedMethod]:
        return methods_for(self.viewer)


class PayoutList(DomainListView[Payout]):
    serializer_class = PayoutSerializer
    filters = Filters(
        integers={"organisation": "organisation"},
        texts={"currency": "currency", "state": "state"},
        moments={"from": "batch__decided_at__gte", "until": "batch__decided_at__lt"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Payout]:
        return self.filters.apply(payouts_for(self.viewer), self.request.query_params)
