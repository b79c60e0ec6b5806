"""Reading the reference facts. They are public: everybody may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext_noop

from marketplace.catalogue.latency import RegionPoint, round_trip_us
from marketplace.catalogue.models import (
    AcceleratorModel,
    CarbonPrice,
    FxRate,
    PerformanceProfile,
    ProfileVersion,
    Region,
    SoftwareStack,
    WorkloadClass,
)
from marketplace.errors import DomainError


class FactMissing(DomainError):
    """A fact without which nothing can be cleared or rated."""

    code = "fact_missing"
    title = gettext_noop("A fact is missing")


def profiles_in_force() -> ProfileVersion:
    """The newest published profiles. Raises ``FactMissing`` where there are none."""
    newest = ProfileVersion.objects.order_by("-number").first()
    if newest is None:
        raise FactMissing("No performance profiles are published. Run: manage.py load_catalogue")
    return newest


def models_with_profiles(version: ProfileVersion) -> QuerySet[AcceleratorModel]:
    """All models, each with its profiles of one version as ``current_profiles``."""
    return AcceleratorModel.objects.select_related("stack").prefetch_related(
        Prefetch(
            "profiles",
            queryset=PerformanceProfile.objects.filter(version=version).order_by("workload"),
            to_attr="current_profiles",
        )
    )


def profiles_of(model: AcceleratorModel) -> Sequence[PerformanceProfile]:
    """The profiles that ``models_with_profiles`` put on a model, in the order of the workload classes."""
    order = {workload: place for place, workload in enumerate(WorkloadClass.values)}
    found: list[PerformanceProfile] = getattr(model, "current_profiles", [])
    return sorted(found, key=lambda profile: order[profile.workload])


def names_by_slug() -> Mapping[str, str]:
    """Names of accelerator models and software stacks, by slug."""
    models = {slug: f"{vendor} {name}" for slug, vendor, name in _model_names()}
    return models | dict(SoftwareStack.objects.values_list("slug", "name"))


def _model_names() -> QuerySet[AcceleratorModel, tuple[str, str, str]]:
    return AcceleratorModel.objects.order_by().values_list("slug", "vendor", "name")


def rates_of(workload: str, version: ProfileVersion | None = None) -> Mapping[str, Decimal]:
    """nP of one card in a workload class, by the model's slug; a model without a profile is absent.

    Of the profiles in force, or of a version of them.
    """
    rows = PerformanceProfile.objects.filter(version=version or profiles_in_force(), workload=workload)
    return dict(rows.values_list("model__slug", "rate"))


def fx_table(*, at: datetime) -> Mapping[str, Decimal]:
    """Yuan for one unit of each currency, the newest rate valid at a moment."""
    rows = FxRate.objects.filter(valid_from__lte=at).order_by("currency", "-valid_from").distinct("currency")
    table = {row.currency: row.cny for row in rows}
    if not table:
        raise FactMissing(f"No exchange rate is valid at {at:%F %T} UTC. Enter the rates in the admin.")
    return table


def currencies_with_rate(*, at: datetime) -> frozenset[str]:
    """The currencies in which an order can be cleared: those with an exchange rate valid at a moment."""
    return frozenset(FxRate.objects.filter(valid_from__lte=at).values_list("currency", flat=True))


def carbon_price(currency: str, *, at: datetime) -> Decimal:
    """What a tonne of CO₂e counts at a moment, in a currency; 0 where the operator has set no price."""
    prices = CarbonPrice.objects.filter(currency=currency, valid_from__lte=at).order_by("-valid_from")
    newest = prices.first()
    return newest.per_tonne if newest is not None else Decimal(0)


def round_trips() -> Mapping[tuple[int, int], int]:
    """Estimated round-trip time between each two regions, microseconds, by their ids."""
    regions = [
        (region.pk, RegionPoint(region.slug, region.country, region.latitude, region.longitude))
        for region in Region.objects.order_by("pk")
    ]
    return {(a, b): round_trip_us(point, other) for a, point in regions for b, other in regions}
