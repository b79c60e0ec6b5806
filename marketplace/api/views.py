"""What every API view starts from.

class OfferList(DomainListView[Offer]):
    serializer_class = OfferSerializer

    def get_queryset(self):
        return offers_for(self.viewer)

    @idempotent
    def post(self, request): ...
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar, cast

from django.db.models import Model
from django.utils.functional import cached_property
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.actors import Viewer
from marketplace.api.rendering import ExactRenderer
from marketplace.api.schema import ProblemSchema
from marketplace.clock import market_now

M_co = TypeVar("M_co", bound=Model, covariant=True)


class DomainView(APIView):
    """``self.viewer`` asks for it, ``self.now`` is when: one moment for the whole request."""

    schema = ProblemSchema()
    renderer_classes = (ExactRenderer,)

    @property
    def viewer(self) -> Viewer:
        return cast("Viewer", self.request.viewer)  # type: ignore[attr-defined]

    @cached_property
    def now(self) -> datetime:
        return market_now()


class DomainGenericView(DomainView, GenericAPIView[M_co]):
    pass


class DomainListView(DomainView, ListAPIView[M_co]):
    pass


class DomainDetailView(DomainView, RetrieveAPIView[M_co]):
    pass


class DomainViewSet(DomainView, GenericViewSet[M_co]):
    pass
