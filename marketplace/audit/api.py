"""Utilisation over the API: owners see their sites, auditors and operators all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainView
from marketplace.audit.selectors import (
    Activity,
    Levels,
    Utilisation,
    activity,
    default_window,
    utilisation,
)
from marketplace.clock import floor_hour
from marketplace.errors import InvalidInput


class LevelsSerializer(serializers.Serializer[Levels]):
    """Card-hours."""

    installed = serializers.DecimalField(max_digits=20, decimal_places=6)
    offered = serializers.DecimalField(max_digits=20, decimal_places=6)
    sold = serializers.DecimalField(max_digits=20, decimal_places=6)
    allocated = serializers.DecimalField(max_digits=20, decimal_places=6)
    active = serializers.DecimalField(max_digits=20, decimal_places=6)
    active_share = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)


class SiteLevelsSerializer(serializers.Serializer[Any]):
    site_id = serializers.IntegerField()
    site = serializers.CharField()
    hub = serializers.CharField()
    country = serializers.CharField()
    levels = LevelsSerializer()


class UtilisationSerializer(serializers.Serializer[Utilisation]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    total = LevelsSerializer()
    nations = serializers.DictField(child=LevelsSerializer())
    hubs = serializers.DictField(child=LevelsSerializer())
    sites = SiteLevelsSerializer(many=True)


class ActivitySerializer(serializers.Serializer[Activity]):
    runs_committed = serializers.IntegerField()
    agreements = serializers.IntegerField()
    deliveries_active = serializers.IntegerField()
    readings = serializers.IntegerField()
    charges = serializers.IntegerField()
    invoice_lines = serializers.IntegerField()


class ActivityView(DomainView):
    """What the exchange has done so far, in counts. Public."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=ActivitySerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(ActivitySerializer(activity()).data)


class UtilisationView(DomainView):
    """Installed, offered, sold, allocated and active card-hours over whole UTC hours."""

    @extend_schema(
        parameters=[
            OpenApiParameter("start", OpenApiTypes.DATETIME, description="a full UTC hour; 24 hours ago"),
            OpenApiParameter("end", OpenApiTypes.DATETIME, description="a full UTC hour; the last one"),
        ],
        responses=UtilisationSerializer,
    )
    def get(self, request: Request) -> Response:
        start, end = default_window(now=self.now)
        start = _full_hour(request, "start") or start
        end = _full_hour(request, "end") or end
        if start >= end:
            raise InvalidInput("The window is empty.", {"start": "must lie before end"})
        return Response(UtilisationSerializer(utilisation(self.viewer, start=start, end=end)).data)


def _full_hour(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    moment = serializers.DateTimeField().run_validation(text)
    if moment != floor_hour(moment):
        raise InvalidInput(f"{name} is not a full UTC hour.", {name: "use a full hour, 2026-03-01T08:00Z"})
    return floor_hour(moment)
