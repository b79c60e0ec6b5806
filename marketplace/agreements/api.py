"""Agreements over the API."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import agreements_for
from marketplace.api.views import DomainDetailView, DomainListView


class AgreementSerializer(serializers.ModelSerializer[Agreement]):
    request = serializers.IntegerField(source="allocation.request_id")
    alternative = serializers.IntegerField(source="allocation.alternative.position")
    offer = serializers.IntegerField(source="allocation.offer_id")
    run = serializers.IntegerField(source="allocation.run_id")
    model = serializers.CharField(source="allocation.offer.fleet.model.slug")
    zone = serializers.CharField(source="allocation.offer.fleet.site.region.zone.slug")

    class Meta:
        model = Agreement
        fields: ClassVar = [
            "id", "request", "alternative", "offer", "run", "buyer", "owner", "model", "zone", "cards",
            "starts_at", "ends_at", "card_hours", "currency", "value", "commission_rate", "terms",
            "terms_digest", "concluded_at",
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
