"""What the power of sites is: the latest version of each hour, or what the site declares for a year."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from accounts.actors import Capability, Viewer
from marketplace.clock import HOUR, hours_between
from marketplace.energy.models import Basis, EnergyBatch, EnergyFile, EnergyHour
from marketplace.supply.models import Site


@dataclass(frozen=True, slots=True)
class Power:
    """What the power of a site is in an hour, by which batch; ``None`` is the annual declaration."""

    hour: datetime
    pue: Decimal
    grid: Decimal
    direct: Decimal
    certificate: Decimal
    mix: Decimal
    surplus: bool
    tariff: Decimal | None
    currency: str
    basis: str
    batch: int | None

    @property
    def renewable_share(self) -> Decimal:
        """By whatever source."""
        return self.direct + self.certificate + self.mix

    @property
    def located(self) -> Decimal:
        """gCO₂/kWh, location-based: a direct line is no part of the grid."""
        return self.grid * (1 - self.direct)

    @property
    def supplied(self) -> Decimal:
        """gCO₂/kWh as the site says it is supplied: what certificates cover counts as nothing, too."""
        return self.grid * (1 - self.direct - self.certificate)

    @property
    def is_hourly(self) -> bool:
        return self.batch is not None


def declared(site: Site, hour: datetime) -> Power:
    """What the site and its region declare for the whole year: all there is where nobody told the hour."""
    nothing = Decimal(0)
    return Power(
        hour=hour,
        pue=site.pue,
        grid=site.region.grid_carbon,
        direct=nothing,
        certificate=site.renewable_share,
        mix=nothing,
        surplus=False,
        tariff=None,
        currency="",
        basis=Basis.ANNUAL,
        batch=None,
    )


def told_hours(
    sites: Iterable[int], start: datetime, end: datetime, *, as_of: datetime | None = None
) -> Mapping[int, Mapping[datetime, Power]]:
    """By site, the hours that somebody told, in their latest version, now or ``as_of`` a moment."""
    told = EnergyHour.objects.filter(site__in=sites, hour__gte=start, hour__lt=end)
    if as_of is not None:
        told = told.filter(batch__told_at__lte=as_of)
    rows: Iterable[Any] = (
        told.order_by("site", "hour", "-batch")
        .distinct("site", "hour")
        .values_list(
            "site", "hour", "pue", "grid", "direct", "certificate", "mix", "surplus", "tariff", "currency",
            "batch__basis", "batch",
        )
    )  # fmt: skip
    found: dict[int, dict[datetime, Power]] = {}
    for site, *figures in rows:
        power = Power(*figures)
        found.setdefault(site, {})[power.hour] = power
    return found


def power_of(site: Site, start: datetime, end: datetime, *, as_of: datetime | None = None) -> Sequence[Power]:
    """Every hour from ``start`` to before ``end``: as told, or as declared for the year. With region."""
    told = told_hours([site.pk], start, end, as_of=as_of).get(site.pk, {})
    hours = (start + number * HOUR for number in range(hours_between(start, end)))
    return [told.get(hour) or declared(site, hour) for hour in hours]


def batches_of(site: Site) -> QuerySet[EnergyBatch]:
    """Newest first, with how many hours each told, from when until when."""
    told = {"told": Count("hours"), "first": Min("hours__hour"), "last": Max("hours__hour")}
    return EnergyBatch.objects.filter(site=site).annotate(**told).order_by("-pk")


def files_for(viewer: Viewer) -> QuerySet[EnergyFile]:
    files = EnergyFile.objects.select_related("site__owner", "site__region", "created_by", "batch")
    if viewer.sees_everything:
        return files.order_by("-pk")
    return files.filter(site__owner__in=viewer.organisations_with(Capability.READ)).order_by("-pk")
