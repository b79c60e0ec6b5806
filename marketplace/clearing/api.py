"""Market runs, prices and explanations over the API. Runs and prices are public."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import Viewer
from accounts.requests import id_in
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.clearing import record, selectors, services, wording
from marketplace.clearing.models import ClearingPrice, Explanation, MarketRun, OfferOutcome


class RunSerializer(serializers.ModelSerializer[MarketRun]):
    """``share_of_best``: at least this share of the best possible objective was reached; proven."""

    accelerator_models_sold = serializers.IntegerField(source="models_sold", read_only=True, allow_null=True)
    share_of_best = serializers.DecimalField(max_digits=4, decimal_places=3, read_only=True, allow_null=True)

    class Meta:
        model = MarketRun
        fields: ClassVar = [
            "id", "state", "opened_at", "horizon_start", "slots", "base_currency", "committed_at",
            "requests_open", "requests_matched", "offers_open", "card_hours_free", "card_hours_sold",
            "accelerator_models_sold", "surplus", "objective", "bound", "share_of_best", "repriced",
            "refused_in_money", "foregone", "engine", "snapshot_digest", "result_digest", "snapshot_ms",
            "clear_ms", "verify_ms", "failure",
        ]  # fmt: skip


class PriceSerializer(serializers.ModelSerializer[ClearingPrice]):
    model = serializers.CharField(source="model.slug")
    zone = serializers.CharField(source="zone.slug")

    class Meta:
        model = ClearingPrice
        fields: ClassVar = ["run", "model", "zone", "slot", "currency", "price", "cards"]


class ExplanationSerializer(serializers.ModelSerializer[Explanation]):
    """``price`` per unit and hour in the request's currency, ``foregone`` in the run's base currency."""

    lost_against = serializers.SerializerMethodField(
        help_text="The price that a refused request lost against, in words."
    )

    class Meta:
        model = Explanation
        fields: ClassVar = [
            "run", "request", "outcome", "binding", "price", "foregone", "lost_against", "details",
        ]  # fmt: skip

    def get_lost_against(self, explanation: Explanation) -> str:
        units = [alternative.unit for alternative in explanation.request.alternatives.all()]
        return wording.lost_against(explanation, units)


class OfferOutcomeSerializer(serializers.ModelSerializer[OfferOutcome]):
    """At ``ask`` per card-hour, ``card_hours`` more of the offer would have sold."""

    currency = serializers.CharField(source="offer.currency")
    in_words = serializers.SerializerMethodField()

    class Meta:
        model = OfferOutcome
        fields: ClassVar = ["run", "offer", "free", "sold", "currency", "ask", "card_hours", "in_words"]

    def get_in_words(self, outcome: OfferOutcome) -> str:
        return wording.unsold(outcome)


class RunList(DomainListView[MarketRun]):
    permission_classes = (AllowAny,)
    serializer_class = RunSerializer

    def get_queryset(self) -> QuerySet[MarketRun]:
        return selectors.with_models_sold(selectors.runs())


class RunDetail(DomainDetailView[MarketRun]):
    permission_classes = (AllowAny,)
    serializer_class = RunSerializer

    def get_queryset(self) -> QuerySet[MarketRun]:
        return selectors.with_models_sold(selectors.runs_for(self.viewer))


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
        rows = selectors.explanations_for(self.viewer).prefetch_related("request__alternatives")
        wanted = id_in(self.request.query_params.get("request", ""))
        return rows if wanted is None else rows.filter(request=wanted)


class OfferOutcomes(DomainListView[OfferOutcome]):
    """What became of your offers, newest run first, and which lower ask would have sold more."""

    serializer_class = OfferOutcomeSerializer
    queryset = OfferOutcome.objects.none()

    @extend_schema(parameters=[OpenApiParameter("offer", OpenApiTypes.INT, description="one offer only")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[OfferOutcome]:
        rows = selectors.offer_outcomes_for(self.viewer)
        wanted = id_in(self.request.query_params.get("offer", ""))
        return rows if wanted is None else rows.filter(offer=wanted)


@extend_schema_view(get=extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT}))
class RunFile(DomainView):
    """The canonical bytes of a run. They show every party's orders, so only auditors may have them."""

    part: ClassVar[str]

    def get(self, request: Request, pk: int) -> HttpResponse:  # noqa: ARG002
        if not self.viewer.sees_everything:
            raise NotFound
        run = _committed(self.viewer, pk)
        data = services.stored_snapshot(run) if self.part == "snapshot" else services.stored_result(run)
        return _json_file(data, f"cardhour-run-{run.pk}-{self.part}.json")


def _committed(viewer: Viewer, pk: int) -> MarketRun:
    """Its heavy bytes are read when they are asked for."""
    return get_object_or_404(selectors.runs_for(viewer), pk=pk, state=MarketRun.State.COMMITTED)


def _json_file(data: bytes, name: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(data, content_type="application/json", headers={"Content-Disposition": disposition})


class RunSnapshot(RunFile):
    part = "snapshot"


class RunResult(RunFile):
    part = "result"


class RunPackage(DomainView):
    """Snapshot, result and digests in one file for ``cardhour-replay``. It shows every party's orders, so
    only auditors may have it.
    """

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> FileResponse:  # noqa: ARG002
        if not self.viewer.sees_everything:
            raise NotFound
        run = _committed(self.viewer, pk)
        file = BytesIO()
        record.write_package(run, file)
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=record.package_name(run))


class RunPart(DomainView):
    """Your part of a run: your orders as it was given them, and what it gave you; with all prices."""

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, pk: int) -> HttpResponse:  # noqa: ARG002
        run = _committed(self.viewer, pk)
        data = record.part_for(self.viewer, run)
        if data is None:
            raise NotFound
        return _json_file(data, f"cardhour-run-{run.pk}-part.json")


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
