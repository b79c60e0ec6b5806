"""The API of energy: /sites/{id}/energy."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.idempotency import idempotent
from marketplace.api.rendering import as_json
from marketplace.api.views import DomainView
from marketplace.clock import HOUR, floor_hour
from marketplace.energy import services
from marketplace.energy.hours import HoursForm
from marketplace.energy.models import EnergyBatch
from marketplace.energy.selectors import power_of
from marketplace.supply.selectors import sites_for

MOST_HOURS = 8_784
WEEK = 168


class PowerSerializer(serializers.Serializer[Any]):
    hour = serializers.DateTimeField()
    pue = serializers.DecimalField(max_digits=4, decimal_places=3)
    grid = serializers.DecimalField(max_digits=8, decimal_places=3)
    direct = serializers.DecimalField(max_digits=7, decimal_places=6)
    certificate = serializers.DecimalField(max_digits=7, decimal_places=6)
    mix = serializers.DecimalField(max_digits=7, decimal_places=6)
    surplus = serializers.BooleanField()
    tariff = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)
    currency = serializers.CharField()
    basis = serializers.CharField(help_text="`annual` where nobody told the hour: the year's declared figure")
    batch = serializers.IntegerField(allow_null=True)


class SitePowerSerializer(serializers.Serializer[Any]):
    site = serializers.IntegerField()
    hours = PowerSerializer(many=True)


class BatchSerializer(serializers.ModelSerializer[EnergyBatch]):
    class Meta:
        model = EnergyBatch
        fields = ("id", "site", "source", "name", "basis", "digest", "told_by", "told_at")


class HoursQuery(serializers.Serializer[Any]):
    start = serializers.DateTimeField(required=False)
    hours = serializers.IntegerField(min_value=1, max_value=MOST_HOURS, default=WEEK)


class SiteEnergy(DomainView):
    @extend_schema(parameters=[HoursQuery], responses={200: SitePowerSerializer})
    def get(self, request: Request, pk: int) -> Response:
        """Hour by hour: PUE, carbon of the grid, renewable power by source, surplus and tariff."""
        site = get_object_or_404(sites_for(self.viewer), pk=pk)
        query = HoursQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        start = floor_hour(query.validated_data.get("start", self.now))
        hours = power_of(site, start, start + query.validated_data["hours"] * HOUR)
        return Response(SitePowerSerializer({"site": site.pk, "hours": hours}).data)

    @extend_schema(request=HoursForm, responses={201: BatchSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Tell what the power of a site is, for up to 10,000 hours. What was told before is kept."""
        site = get_object_or_404(sites_for(self.viewer), pk=pk)
        form = HoursForm(data=request.data, context={"now": self.now})
        form.is_valid(raise_exception=True)
        given = form.validated_data
        content = as_json(request.data)
        origin = services.Provenance(EnergyBatch.Source.API, given["name"], given["basis"], content)
        batch = services.tell(
            viewer=self.viewer, site=site, origin=origin, hours=given["hours"], now=self.now
        )
        return Response(BatchSerializer(batch).data, status=status.HTTP_201_CREATED)
