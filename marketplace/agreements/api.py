"""Agreements over the API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import agreements_for
from marketplace.api.views import DomainDetailView, DomainListView


def _allocated(kind: type[serializers.Field[Any, Any, Any, Any]], source: str) -> Any:
    return kind(source=f"allocation.{source}", allow_null=True)


class AgreementSerializer(serializers.ModelSerializer[Agreement]):
    """What was allocated is null where the agreement is a term agreement: see its call-offs.

    One in nP-hours is of `np_hours`, and of its call-offs `np_per_card` is what a card counts for; all others
    are of `card_hours`.
    """

    request = _allocated(serializers.IntegerField, "request_id")
    alternative = _allocated(serializers.IntegerField, "alternative.position")
    offer = _allocated(serializers.IntegerField, "offer_id")
    run = _allocated(serializers.IntegerField, "run_id")
    model = _allocated(serializers.CharField, "offer.fleet.model.slug")
    zone = _allocated(serializers.CharField, "offer.fleet.site.region.zone.slug")

    class Meta:
        model = Agreement
        fields: ClassVar = [
            "id", "kind", "term", "request", "alternative", "offer", "run", "buyer", "owner", "model", "zone",
            "cards", "starts_at", "ends_at", "card_hours", "np_hours", "np_per_card", "currency", "value",
            "commission_rate", "terms", "terms_digest", "concluded_at",
        ]  # fmt: skip


class AgreementList(DomainListView[Agreement]):
    serializer_class = AgreementSerializer
    queryset = Agreement.objects.none()

    def get_queryset(self) -> QuerySet[Agreement]:
        return agreements_for(self.viewer)


class AgreementDetail(DomainDetailView[Agreement]):
    serializer_class = AgreementSerializer
    queryset = Agreement.objects.none()

    def get_queryset(self) -> QuerySet[Agreement]:
        return agreements_for(self.viewer)
