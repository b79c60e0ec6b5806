"""The months of a term agreement, as they were settled last."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from billing.rating.models import MonthSettlement
from billing.rating.settling import months_of
from marketplace.api.views import DomainListView
from marketplace.terms.selectors import term_agreements_for


class MonthSerializer(serializers.ModelSerializer[MonthSettlement]):
    """Quantities are card-seconds. ``amount`` is what is owed beside the usage of the month's call-offs."""

    class Meta:
        model = MonthSettlement
        fields: ClassVar = [
            "month", "starts_at", "ends_at", "agreement", "run", "quantity", "offered", "delivered",
            "undelivered", "minimum", "shortfall", "overage", "carried", "made_up", "make_up_left",
            "carry_forward_left", "amount",
        ]  # fmt: skip


class TermMonths(DomainListView[MonthSettlement]):
    """The months of a term agreement that were settled, each as it was settled last, the newest first."""

    serializer_class = MonthSerializer
    queryset = MonthSettlement.objects.none()

    def get_queryset(self) -> QuerySet[MonthSettlement]:
        if getattr(self, "swagger_fake_view", False):
            return MonthSettlement.objects.none()
        return months_of(get_object_or_404(term_agreements_for(self.viewer), pk=self.kwargs["pk"]))
