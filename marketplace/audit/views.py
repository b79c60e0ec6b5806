"""Pages for auditors and operators; owners see the utilisation of their own sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.models import Organisation
from accounts.requests import PageRequest, id_in
from accounts.selectors import organisations_for
from billing.metering.models import Meter, Reading
from billing.metering.selectors import conflicts_for, readings_for, usage_by_slot
from billing.rating.selectors import parked_for
from marketplace.audit.selectors import (
    NOTHING,
    Levels,
    SiteUtilisation,
    Utilisation,
    default_window,
    utilisation,
)
from marketplace.clearing.selectors import failed_runs_waiting
from marketplace.clock import market_now
from marketplace.delivery.models import DeliveryState
from marketplace.delivery.selectors import deliveries_for
from marketplace.supply.selectors import fleets_for, sites_for
from marketplace.web.listing import Field, as_csv, page_of

WINDOWS = (1, 24, 168)
SITES_A_PAGE = 50
ROWS_A_PAGE = 25
PARKED_SHOWN = 50

METERS = {Meter.ALLOCATED: "allocated", Meter.ACTIVE: "active", Meter.ENERGY: "energy"}
UNITS = {Meter.ALLOCATED: 3600, Meter.ACTIVE: 3600, Meter.ENERGY: 1000}

CSV_FIELDS: Sequence[Field[SiteUtilisation]] = (
    Field(gettext_lazy("Site"), lambda row: row.site),
    Field(gettext_lazy("Hub"), lambda row: row.hub),
    Field(gettext_lazy("Nation"), lambda row: row.country),
    Field(gettext_lazy("Installed, card-h"), lambda row: row.levels.installed),
    Field(gettext_lazy("Offered, card-h"), lambda row: row.levels.offered),
    Field(gettext_lazy("Sold, card-h"), lambda row: row.levels.sold),
    Field(gettext_lazy("Allocated, card-h"), lambda row: row.levels.allocated),
    Field(gettext_lazy("Active, card-h"), lambda row: row.levels.active),
)

SORTS: Mapping[str, Callable[[SiteUtilisation], Any]] = {
    "site": lambda row: row.site,
    "hub": lambda row: (row.hub, row.site),
    "installed": lambda row: row.levels.installed,
    "offered": lambda row: row.levels.offered,
    "sold": lambda row: row.levels.sold,
    "allocated": lambda row: row.levels.allocated,
    "active": lambda row: row.levels.active,
    "share": lambda row: row.levels.active_share or Decimal(0),
}


@login_required
@require_safe
def overview(request: PageRequest) -> HttpResponseBase:
    """Installed, offered, sold, allocated, active: in all, by nation, by hub, by site."""
    if not _sees_utilisation(request):
        raise Http404
    now = market_now()
    hours = _hours(request)
    found = _levels(request, now=now, hours=hours)
    rows = sorted(found.sites, key=SORTS["share"], reverse=True)
    if request.GET.get("format") == "csv":
        return as_csv("cardhour-utilisation", CSV_FIELDS, rows)
    context = {
        "found": found,
        "now": now,
        "is_empty": found.start >= found.end,
        "windows": _window_tabs(hours),
        "page": page_of(request, _sorted(rows, request.GET.get("sort", "")), SITES_A_PAGE),
        "idle": found.total.allocated - found.total.active,
        "hub_rows": _largest_first(found.hubs),
        "nation_rows": _largest_first(found.nations),
        "api_url": _api_url(found),
        "csv_url": "?" + urlencode({"hours": hours, "format": "csv"}),
    }
    return render(request, "audit/overview.html", context)


def _sees_utilisation(request: PageRequest) -> bool:
    """Auditors, operators, and members of an owner; to buyers these pages do not exist."""
    if request.viewer.sees_everything:
        return True
    return organisations_for(request.viewer).filter(kind=Organisation.Kind.OWNER).exists()


def _hours(request: PageRequest) -> int:
    asked = id_in(request.GET.get("hours", ""))
    return asked if asked in WINDOWS else 24


def _levels(request: PageRequest, *, now: datetime, hours: int, site: int | None = None) -> Utilisation:
    """The figures that the API gives for the same window; none before the first hour has ended."""
    start, end = default_window(now=now, hours=hours)
    if start >= end:
        return Utilisation(start=end, end=end, sites=[], hubs={}, nations={}, total=NOTHING)
    return utilisation(request.viewer, start=start, end=end, site=site)


def _window_tabs(chosen: int) -> list[dict[str, Any]]:
    labels = {1: gettext_lazy("Last hour"), 24: gettext_lazy("24 hours"), 168: gettext_lazy("7 days")}
    return [
        {"label": labels[hours], "url": f"?hours={hours}", "active": hours == chosen} for hours in WINDOWS
    ]


def _sorted(rows: Sequence[SiteUtilisation], sort: str) -> Sequence[SiteUtilisation]:
    key = SORTS.get(sort.removeprefix("-"))
    return sorted(rows, key=key, reverse=sort.startswith("-")) if key else rows


def _largest_first(groups: Mapping[str, Levels]) -> list[tuple[str, Levels]]:
    return sorted(groups.items(), key=lambda item: -item[1].installed)


def _api_url(found: Utilisation) -> str:
    window = {"start": found.start.isoformat(), "end": found.end.isoformat()}
    return f"{reverse('api:utilisation')}?{urlencode(window)}"


@login_required
@require_safe
def site(request: PageRequest, pk: int) -> HttpResponse:
    """The dossier of a site: what is installed, what became of it, and the readings that say so."""
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    now = market_now()
    hours = _hours(request)
    found = _levels(request, now=now, hours=hours, site=shown.pk)
    deliveries = deliveries_for(request.viewer).filter(site=shown)
    chosen = id_in(request.GET.get("delivery", ""))
    readings = readings_for(request.viewer).filter(
        delivery__site=shown, slot__gte=found.start, slot__lt=found.end
    )
    if chosen is not None:
        readings = readings.filter(delivery=chosen)
    context = {
        "site": shown,
        "found": found,
        "now": now,
        "windows": _window_tabs(hours),
        "fleets": fleets_for(request.viewer).filter(site=shown).order_by("pk"),
        "deliveries": list(deliveries[:ROWS_A_PAGE]),
        "deliveries_in_all": deliveries.count(),
        "chosen": chosen,
        "usage": _usage(readings),
        "page": page_of(request, readings, ROWS_A_PAGE),
    }
    return render(request, "audit/site.html", context)


def _usage(readings: QuerySet[Reading]) -> list[dict[str, Any]]:
    """What the newest readings add up to: card-hours and kWh of each slot and delivery."""
    sums: dict[tuple[datetime, int], dict[str, Any]] = {}
    for row in usage_by_slot(readings).order_by("-slot", "delivery", "meter")[: 3 * ROWS_A_PAGE]:
        line = sums.setdefault(
            (row["slot"], row["delivery"]), {"slot": row["slot"], "delivery": row["delivery"], "readings": 0}
        )
        line[METERS[row["meter"]]] = Decimal(row["total"]) / UNITS[row["meter"]]
        line["readings"] += row["readings"]
    return list(sums.values())


@login_required
@require_safe
def parked(request: PageRequest) -> HttpResponse:
    """Everything that waits for a person, for operators and auditors."""
    viewer = request.viewer
    if not viewer.sees_everything:
        raise Http404
    usage = parked_for(viewer).filter(resolved_at=None)
    conflicts = conflicts_for(viewer)
    failed = deliveries_for(viewer).filter(state__in=(DeliveryState.FAILED, DeliveryState.EVICTED))
    failed_runs = failed_runs_waiting()
    counts = [rows.count() for rows in (usage, conflicts, failed, failed_runs)]
    context = {
        "usage": usage[:PARKED_SHOWN],
        "conflicts": conflicts[:PARKED_SHOWN],
        "failed": failed[:PARKED_SHOWN],
        "failed_runs": failed_runs[:PARKED_SHOWN],
        "counts": dict(zip(("usage", "conflicts", "failed", "failed_runs"), counts, strict=True)),
        "waiting": sum(counts),
        "most_shown": PARKED_SHOWN,
    }
    return render(request, "audit/parked.html", context)
