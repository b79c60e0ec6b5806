"""What the exchange has done so far."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainView
from marketplace.audit.selectors import Activity, activity


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
