"""Reading runs and prices. Runs and prices are public; explanations belong to the buyer, outcomes of
offers to the owner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import (
    Count,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)

from accounts.actors import Capability, Viewer
from marketplace.clearing.models import (
    Allocation,
    ClearingPrice,
    Explanation,
    MarketRun,
    OfferOutcome,
)
from marketplace.clock import HOUR, floor_hour

MONEY = DecimalField(max_digits=30, decimal_places=6)


def average_price() -> ExpressionWrapper[Any]:
    """An aggregate: the average of prices, weighted by the cards that they sold."""
    paid = Sum(F("price") * F("cards"), output_field=MONEY)
    return ExpressionWrapper(paid / Sum("cards"), output_field=MONEY)


def runs() -> QuerySet[MarketRun]:
    """All runs of the open market, newest first, without the heavy bytes."""
    return _light(MarketRun.objects.filter(term=None))


def runs_for(viewer: Viewer) -> QuerySet[MarketRun]:
    """Those of the open market, which are public, and those of term agreements that the viewer may read."""
    rows = _light(MarketRun.objects.all())
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(term=None) | Q(term__buyer__in=mine) | Q(term__owner__in=mine))


def _light(rows: QuerySet[MarketRun]) -> QuerySet[MarketRun]:
    return rows.defer("snapshot", "result").order_by("-pk")


def last_committed() -> MarketRun | None:
    return committed_runs().first()


def committed_runs(*, until: MarketRun | None = None) -> QuerySet[MarketRun]:
    """Runs that were committed, newest first; those until a run with that run itself."""
    rows = runs().filter(state=MarketRun.State.COMMITTED)
    return rows if until is None else rows.filter(pk__lte=until.pk)


def failed_runs_waiting() -> QuerySet[MarketRun]:
    """Failed runs since the last committed one of the same market: a success has cleared what they left."""
    later = MarketRun.objects.filter(state=MarketRun.State.COMMITTED, pk__gt=OuterRef("pk"))
    cleared = Q(Exists(later.filter(term=None)), term=None) | Q(Exists(later.filter(term=OuterRef("term"))))
    return _light(MarketRun.objects.filter(~cleared, state=MarketRun.State.FAILED))


def with_models_sold(rows: QuerySet[MarketRun]) -> QuerySet[MarketRun]:
    """Each run with ``models_sold``; ``None`` where it sold nothing."""
    sold = (
        Allocation.objects.filter(run=OuterRef("pk"))
        .order_by()
        .values("run")
        .annotate(models=Count("offer__fleet__model", distinct=True))
    )
    return rows.annotate(models_sold=Subquery(sold.values("models")))


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
    return list(rows)


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


def products_of_run(run: MarketRun) -> QuerySet[ClearingPrice, Any]:
    """What a run sold: its prices and card-hours, a row for each product; ``by_slot`` are its prices."""
    rows = run.prices.order_by().values(
        "model__slug",
        "model__vendor",
        "model__name",
        "zone__slug",
        "zone__name_en",
        "zone__name_zh",
        "currency",
    )
    by_slot = ArrayAgg("price", order_by="slot")
    return _summed(rows).annotate(by_slot=by_slot).order_by("model__vendor", "model__name", "zone__slug")


def history_of_product(*, model: str, zone: str) -> QuerySet[ClearingPrice, Any]:
    """What each run sold of a product, newest run first."""
    prices = ClearingPrice.objects.filter(model__slug=model, zone__slug=zone).order_by()
    return _summed(prices.values("run", "run__committed_at", "currency")).order_by("-run_id")


def _summed(groups: QuerySet[ClearingPrice, Any]) -> QuerySet[ClearingPrice, Any]:
    return groups.annotate(
        lowest=Min("price"), average=average_price(), highest=Max("price"), card_hours=Sum("cards")
    )


def newest_prices(*, model: str, zone: str, now: datetime) -> QuerySet[ClearingPrice]:
    """The newest price of a product in each slot from now on that has one, by slot."""
    return (
        ClearingPrice.objects.filter(model__slug=model, zone__slug=zone, slot__gte=floor_hour(now))
        .order_by("slot", "-run_id")
        .distinct("slot")
    )


def card_hours_traded(*, model: str, zone: str, since: datetime) -> int:
    """Card-hours of a product that the runs since a moment sold."""
    prices = ClearingPrice.objects.filter(model__slug=model, zone__slug=zone)
    return prices.filter(run__committed_at__gte=since).aggregate(sum=Sum("cards"))["sum"] or 0


def outcomes_of_run(run: MarketRun) -> Sequence[tuple[str, str, int]]:
    """How many requests had which outcome, and for those not matched which constraint decided it.

    The most frequent first. Counts are public, whose requests they were is not.
    """
    counts = run.explanations.order_by().values_list("outcome", "binding").annotate(requests=Count("pk"))
    return list(counts.order_by("-requests", "binding"))


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


def offer_outcomes_for(viewer: Viewer) -> QuerySet[OfferOutcome]:
    """What became of the viewer's offers, newest run first."""
    rows = (
        OfferOutcome.objects.select_related("run", "offer__fleet__model", "offer__fleet__site__region__zone")
        .defer("run__snapshot", "run__result")
        .order_by("-run_id", "offer_id")
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(offer__fleet__site__owner__in=viewer.organisations_with(Capability.READ))


def allocations_for(viewer: Viewer) -> QuerySet[Allocation]:
    """Allocations of the viewer's requests and offers."""
    rows = Allocation.objects.select_related(
        "request", "offer__fleet__model", "offer__fleet__site__region__zone"
    ).order_by("-pk")
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(request__organisation__in=mine) | rows.filter(offer__fleet__site__owner__in=mine)
