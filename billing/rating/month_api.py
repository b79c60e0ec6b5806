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
    """Quantities count what `unit` says. `amount` is what is owed beside the usage of its call-offs."""

    unit = serializers.SerializerMethodField(help_text="`card-seconds` or `micro-nP-seconds`.")

    class Meta:
        model = MonthSettlement
        fields: ClassVar = [
            "month", "starts_at", "ends_at", "agreement", "run", "unit", "quantity", "offered", "delivered",
            "undelivered", "minimum", "shortfall", "overage", "carried", "made_up", "make_up_left",
            "carry_forward_left", "amount",
        ]  # fmt: skip

    def get_unit(self, month: MonthSettlement) -> str:
        return month.agreement.unit.seconds


class TermMonths(DomainListView[MonthSettlement]):
    """The months of a term agreement that were settled, each as it was settled last, the newest first."""

    serializer_class = MonthSerializer
    queryset = MonthSettlement.objects.none()

    def get_queryset(self) -> QuerySet[MonthSettlement]:
        if getattr(self, "swagger_fake_view", False):
            return MonthSettlement.objects.none()
        shown = get_object_or_404(term_agreements_for(self.viewer), pk=self.kwargs["pk"])
        return months_of(shown).select_related("agreement")
