"""Reading the reference facts. They are public: everybody may see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db.models import Prefetch, QuerySet

from marketplace.catalogue.latency import RegionPoint, round_trip_us
from marketplace.catalogue.models import (
    AcceleratorModel,
    FxRate,
    PerformanceProfile,
    ProfileVersion,
    Region,
)
from marketplace.errors import DomainError


class FactMissing(DomainError):
    """A fact without which nothing can be cleared or rated."""

    code = "fact_missing"
    title = "A fact is missing"


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


def fx_table(*, at: datetime) -> Mapping[str, Decimal]:
    """Yuan for one unit of each currency, the newest rate valid at a moment."""
    rows = FxRate.objects.filter(valid_from__lte=at).order_by("currency", "-valid_from").distinct("currency")
    table = {row.currency: row.cny for row in rows}
    if not table:
        raise FactMissing(f"No exchange rate is valid at {at:%F %T} UTC. Enter the rates in the admin.")
    return table


def round_trips() -> Mapping[tuple[int, int], int]:
    """Estimated round-trip time between each two regions, microseconds, by their ids."""
    regions = [
        (region.pk, RegionPoint(region.slug, region.country, region.latitude, region.longitude))
        for region in Region.objects.order_by("pk")
    ]
    return {(a, b): round_trip_us(point, other) for a, point in regions for b, other in regions}
