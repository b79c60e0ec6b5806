"""The catalogue over the API. It is public."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from marketplace.api.views import DomainDetailView, DomainListView
from marketplace.catalogue.models import AcceleratorModel, PerformanceProfile, Region
from marketplace.catalogue.selectors import models_with_profiles, profiles_in_force


class ProfileSerializer(serializers.ModelSerializer[PerformanceProfile]):
    version = serializers.IntegerField(source="version_id")

    class Meta:
        model = PerformanceProfile
        fields: ClassVar = ["workload", "rate", "lower", "upper", "evidence_kind", "evidence", "version"]


class ModelSerializer(serializers.ModelSerializer[AcceleratorModel]):
    stack = serializers.CharField(source="stack.slug")
    profiles = ProfileSerializer(source="current_profiles", many=True)

    class Meta:
        model = AcceleratorModel
        fields: ClassVar = [
            "slug", "vendor", "name", "form_factor", "release_year", "memory_gb", "memory_bandwidth_gb_s",
            "peak_tflops", "tdp_w", "stack", "source", "confidence", "notes", "profiles",
        ]  # fmt: skip


class RegionSerializer(serializers.ModelSerializer[Region]):
    zone = serializers.CharField(source="zone.slug")
    currency = serializers.CharField(source="zone.currency")

    class Meta:
        model = Region
        fields: ClassVar = [
            "slug", "name_en", "name_zh", "kind", "national_hub", "country", "jurisdiction", "zone",
            "currency", "latitude", "longitude", "time_zone", "grid_carbon", "grid_carbon_basis",
            "grid_carbon_source", "confidence",
        ]  # fmt: skip


class ModelList(DomainListView[AcceleratorModel]):
    permission_classes = (AllowAny,)
    serializer_class = ModelSerializer
    queryset = AcceleratorModel.objects.none()

    def get_queryset(self) -> QuerySet[AcceleratorModel]:
        return models_with_profiles(profiles_in_force())


class ModelDetail(DomainDetailView[AcceleratorModel]):
    permission_classes = (AllowAny,)
    serializer_class = ModelSerializer
    queryset = AcceleratorModel.objects.none()
    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[AcceleratorModel]:
        return models_with_profiles(profiles_in_force())


class RegionList(DomainListView[Region]):
    permission_classes = (AllowAny,)
    serializer_class = RegionSerializer
    queryset = Region.objects.select_related("zone")
