"""The API of rating: charges, what is parked, and the readings behind a charge."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import Capability, Viewer
from billing.metering.api import ReadingSerializer
from billing.metering.models import Reading
from billing.query import Filters
from billing.rating.models import Charge, ParkedUsage
from billing.rating.selectors import charges_for, parked_for, readings_of
from marketplace.api.views import DomainDetailView, DomainListView


class ChargeSerializer(serializers.ModelSerializer[Charge]):
    """``commission`` and ``credit`` are the owner's business: null for the buyer."""

    delivery = serializers.IntegerField(
        source="agreement.delivery.pk", allow_null=True, help_text="Null for what a term agreement owes."
    )

    unit = serializers.CharField(
        source="agreement.unit.seconds", help_text="Of the quantity: `card-seconds` or `micro-nP-seconds`."
    )

    class Meta:
        model = Charge
        fields = (
            "id", "kind", "agreement", "delivery", "slot", "sequence", "corrects", "quantity", "unit",
            "price", "currency", "amount", "commission", "credit", "run",
        )  # fmt: skip

    def to_representation(self, instance: Charge) -> dict[str, Any]:
        data = super().to_representation(instance)
        viewer: Viewer = self.context["view"].viewer
        if not viewer.may(Capability.READ, instance.agreement.owner_id):
            data |= {"commission": None, "credit": None}
        return data


class ChargeList(DomainListView[Charge]):
    serializer_class = ChargeSerializer
    filters = Filters(
        integers={"agreement": "agreement", "delivery": "agreement__delivery", "run": "run"},
        texts={"currency": "currency", "kind": "kind"},
        moments={"slot": "slot", "from": "slot__gte", "until": "slot__lt"},
        flags={"first": "corrects__isnull"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Charge]:
        return self.filters.apply(charges_for(self.viewer), self.request.query_params)


class ChargeDetail(DomainDetailView[Charge]):
    serializer_class = ChargeSerializer

    def get_queryset(self) -> QuerySet[Charge]:
        return charges_for(self.viewer)


class ChargeReadings(DomainListView[Reading]):
    """The readings that a charge counted."""

    serializer_class = ReadingSerializer

    def get_queryset(self) -> QuerySet[Reading]:
        if getattr(self, "swagger_fake_view", False):
            return Reading.objects.none()
        charge = get_object_or_404(charges_for(self.viewer), pk=self.kwargs["pk"])
        return readings_of(charge)


class ParkedSerializer(serializers.ModelSerializer[ParkedUsage]):
    delivery = serializers.IntegerField(
        source="agreement.delivery.pk", default=None, allow_null=True, help_text="Null for months."
    )

    class Meta:
        model = ParkedUsage
        fields = (
            "id",
            "agreement",
            "delivery",
            "slot",
            "reason",
            "details",
            "run",
            "resolved_at",
            "decision",
        )


class ParkedList(DomainListView[ParkedUsage]):
    """Usage that waits for a person. Operators and auditors see it; for others the list is empty."""

    serializer_class = ParkedSerializer
    filters = Filters(
        integers={"agreement": "agreement"},
        texts={"reason": "reason"},
        moments={"slot": "slot"},
        flags={"open": "resolved_at__isnull"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[ParkedUsage]:
        return self.filters.apply(parked_for(self.viewer), self.request.query_params)
