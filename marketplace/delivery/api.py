"""The API of delivery: /deliveries for the two parties."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema

from marketplace.api.views import DomainDetailView, DomainListView
from marketplace.delivery.models import Delivery
from marketplace.delivery.selectors import deliveries_for, with_steps
from marketplace.delivery.serializers import DeliveryQuery, DeliverySerializer


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
