"""The API of delivery: /deliveries for the two parties, and the market's clock for everybody."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.delivery.models import Delivery
from marketplace.delivery.selectors import deliveries_for, with_steps
from marketplace.delivery.serializers import ClockSerializer, DeliveryQuery, DeliverySerializer


@extend_schema(parameters=[DeliveryQuery])
class DeliveryList(DomainListView[Delivery]):
    serializer_class = DeliverySerializer

    def get_queryset(self) -> QuerySet[Delivery]:
        query = DeliveryQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return with_steps(deliveries_for(self.viewer)).filter(**query.validated_data)


class DeliveryDetail(DomainDetailView[Delivery]):
    serializer_class = DeliverySerializer

    def get_queryset(self) -> QuerySet[Delivery]:
        return with_steps(deliveries_for(self.viewer))


class Clock(DomainView):
    permission_classes = (AllowAny,)

    @extend_schema(responses={200: ClockSerializer})
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What time it is on the market, and how much faster than the wall clock it goes."""
        clock = {"market_time": self.now, "clock_speed": settings.CLOCK_SPEED}
        return Response(ClockSerializer(clock).data)
