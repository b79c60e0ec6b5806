"""Reading runs and prices. Runs and prices are public; explanations belong to the buyer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from django.db.models import Count, Max, Min, QuerySet, Sum

from accounts.actors import Capability, Viewer
from marketplace.clearing.models import Allocation, ClearingPrice, Explanation, MarketRun
from marketplace.clock import HOUR, floor_hour


def runs() -> QuerySet[MarketRun]:
    """All runs, newest first, without the heavy bytes."""
    return MarketRun.objects.defer("snapshot", "result").order_by("-pk")


def last_committed() -> MarketRun | None:
    return runs().filter(state=MarketRun.State.COMMITTED).first()


def models_matched(run: MarketRun) -> int:
    """How many accelerator models a run sold."""
    return run.allocations.aggregate(n=Count("offer__fleet__model", distinct=True))["n"]


class ProductLine(TypedDict):
    """One line of the market board."""

    model__slug: str
    model__vendor: str
    model__name: str
    zone__slug: str
    zone__name_en: str
    zone__name_zh: str
    currency: str
    lowest: Decimal
    highest: Decimal
    card_hours: int
    newest_run: int


def board(*, now: datetime, hours: int = 24) -> Sequence[ProductLine]:
    """Every product that sold slots from now on: its range of prices and its volume."""
    start = floor_hour(now)
    rows = (
        ClearingPrice.objects.filter(slot__gte=start, slot__lt=start + hours * HOUR)
        .values(
            "model__slug",
            "model__vendor",
            "model__name",
            "zone__slug",
            "zone__name_en",
            "zone__name_zh",
            "currency",
        )
        .annotate(
            lowest=Min("price"), highest=Max("price"), card_hours=Sum("cards"), newest_run=Max("run_id")
        )
        .order_by("model__vendor", "model__name", "zone__slug")
    )
    return list(rows)  # type: ignore[arg-type]


def prices_of_product(*, model: str, zone: str) -> QuerySet[ClearingPrice]:
    """Every price ever set for a product, newest run first."""
    return (
        ClearingPrice.objects.filter(model__slug=model, zone__slug=zone)
        .select_related("run", "model", "zone")
        .defer("run__snapshot", "run__result")
        .order_by("-run_id", "slot")
    )


def prices_of_run(run: MarketRun) -> QuerySet[ClearingPrice]:
    return run.prices.select_related("model", "zone").order_by("model__slug", "zone__slug", "slot")


def explanations_for(viewer: Viewer) -> QuerySet[Explanation]:
    """Explanations of the requests that the viewer may read."""
    rows = (
        Explanation.objects.select_related("request__organisation", "run")
        .defer("run__snapshot", "run__result")
        .order_by("-run_id", "request_id")
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(request__organisation__in=viewer.organisations_with(Capability.READ))


def allocations_for(viewer: Viewer) -> QuerySet[Allocation]:
    """Allocations of the viewer's requests and offers."""
    rows = Allocation.objects.select_related(
        "request", "offer__fleet__model", "offer__fleet__site__region__zone"
    ).order_by("-pk")
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(request__organisation__in=mine) | rows.filter(offer__fleet__site__owner__in=mine)
