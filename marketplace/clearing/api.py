"""Market runs, prices and explanations over the API. Runs and prices are public."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests import id_in
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.clearing import selectors, services
from marketplace.clearing.models import ClearingPrice, Explanation, MarketRun


class RunSerializer(serializers.ModelSerializer[MarketRun]):
    accelerator_models_sold = serializers.IntegerField(source="models_sold", read_only=True, allow_null=True)

    class Meta:
        model = MarketRun
        fields: ClassVar = [
            "id", "state", "opened_at", "horizon_start", "slots", "base_currency", "committed_at",
            "requests_open", "requests_matched", "offers_open", "card_hours_free", "card_hours_sold",
            "accelerator_models_sold", "surplus", "engine", "snapshot_digest", "result_digest", "failure",
        ]  # fmt: skip


class PriceSerializer(serializers.ModelSerializer[ClearingPrice]):
    model = serializers.CharField(source="model.slug")
    zone = serializers.CharField(source="zone.slug")

    class Meta:
        model = ClearingPrice
        fields: ClassVar = ["run", "model", "zone", "slot", "currency", "price", "cards"]


class ExplanationSerializer(serializers.ModelSerializer[Explanation]):
    class Meta:
        model = Explanation
        fields: ClassVar = ["run", "request", "outcome", "binding", "details"]


class RunList(DomainListView[MarketRun]):
    permission_classes = (AllowAny,)
    serializer_class = RunSerializer

    def get_queryset(self) -> QuerySet[MarketRun]:
        return selectors.with_models_sold(selectors.runs())


class RunDetail(DomainDetailView[MarketRun]):
    permission_classes = (AllowAny,)
    serializer_class = RunSerializer

    def get_queryset(self) -> QuerySet[MarketRun]:
        return selectors.with_models_sold(selectors.runs())


class RunPrices(DomainListView[ClearingPrice]):
    permission_classes = (AllowAny,)
    serializer_class = PriceSerializer
    queryset = ClearingPrice.objects.none()

    def get_queryset(self) -> QuerySet[ClearingPrice]:
        run = get_object_or_404(selectors.runs(), pk=self.kwargs["pk"])
        return run.prices.select_related("model", "zone")


class Prices(DomainListView[ClearingPrice]):
    """Every price of a product, newest run first."""

    permission_classes = (AllowAny,)
    serializer_class = PriceSerializer
    queryset = ClearingPrice.objects.none()

    @extend_schema(
        parameters=[
            OpenApiParameter("model", required=True, description="slug of the accelerator model"),
            OpenApiParameter("zone", required=True, description="slug of the zone"),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[ClearingPrice]:
        query = self.request.query_params
        # To the database a name with the character NUL is not even a text.
        names = {
            name: query.get(name, "").replace("\0", "\N{REPLACEMENT CHARACTER}") for name in ("model", "zone")
        }
        return selectors.prices_of_product(**names)


class Explanations(DomainListView[Explanation]):
    """Why your requests got what they got, newest run first."""

    serializer_class = ExplanationSerializer
    queryset = Explanation.objects.none()

    @extend_schema(parameters=[OpenApiParameter("request", OpenApiTypes.INT, description="one request only")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Explanation]:
        rows = selectors.explanations_for(self.viewer)
        wanted = id_in(self.request.query_params.get("request", ""))
        return rows if wanted is None else rows.filter(request=wanted)


@extend_schema_view(get=extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT}))
class RunFile(DomainView):
    """The canonical bytes of a run. They show every party's orders, so only auditors may have them."""

    part: ClassVar[str]

    def get(self, request: Request, pk: int) -> HttpResponse:  # noqa: ARG002
        if not self.viewer.sees_everything:
            raise NotFound
        run = get_object_or_404(MarketRun.objects.filter(state=MarketRun.State.COMMITTED), pk=pk)
        data = services.stored_snapshot(run) if self.part == "snapshot" else services.stored_result(run)
        name = f"cardhour-run-{run.pk}-{self.part}.json"
        return HttpResponse(
            data,
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class RunSnapshot(RunFile):
    part = "snapshot"


class RunResult(RunFile):
    part = "result"


class BoardLineSerializer(serializers.Serializer[Any]):
    model = serializers.CharField(source="model__slug")
    vendor = serializers.CharField(source="model__vendor")
    zone = serializers.CharField(source="zone__slug")
    currency = serializers.CharField()
    lowest = serializers.DecimalField(max_digits=18, decimal_places=6, min_value=Decimal(0))
    highest = serializers.DecimalField(max_digits=18, decimal_places=6, min_value=Decimal(0))
    card_hours = serializers.IntegerField()
    newest_run = serializers.IntegerField()


class Board(DomainView):
    """Prices per card-hour of the next 24 hours, a line a product."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=BoardLineSerializer(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(BoardLineSerializer(selectors.board(now=self.now), many=True).data)
