"""Pages of utilisation: the nation, each site, hour by hour and month by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
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
from billing.metering.selectors import readings_for, usage_by_slot
from marketplace.audit.utilisation.figures import NOTHING, AsOf, Figures
from marketplace.audit.utilisation.models import LEVELS
from marketplace.audit.utilisation.presentation import (
    Line,
    card_hours,
    energy_kwh,
    heat_cells,
    levels,
    lines,
    steps,
)
from marketplace.audit.utilisation.selectors import (
    Grain,
    Period,
    as_of,
    cascade,
    money,
    site_hours,
    site_periods,
    total,
    trend,
)
from marketplace.audit.utilisation.windows import Window, month_after, month_of, tabs, window_of
from marketplace.catalogue.models import Zone
from marketplace.clock import HOUR, market_now
from marketplace.delivery.selectors import deliveries_for
from marketplace.supply.models import Site
from marketplace.supply.selectors import fleets_for, sites_for
from marketplace.web.listing import Field, as_csv, csv_link, page_of

SITES_A_PAGE = 50
ROWS_A_PAGE = 25
HEAT_HOURS = 48
HEAT_SITES = 40
TREND_DAYS, TREND_MONTHS = 60, 24

METERS = {Meter.ALLOCATED: "allocated", Meter.ACTIVE: "active", Meter.ENERGY: "energy"}
UNITS = {Meter.ALLOCATED: 3600, Meter.ACTIVE: 3600, Meter.ENERGY: 1000}

CSV_FIELDS: Sequence[Field[Line]] = (
    Field(gettext_lazy("Site"), lambda row: row.name),
    Field(gettext_lazy("Hub"), lambda row: row.hub),
    Field(gettext_lazy("Nation"), lambda row: row.country),
    Field(gettext_lazy("Installed, card-h"), lambda row: row.levels["installed"]),
    Field(gettext_lazy("Offered, card-h"), lambda row: row.levels["offered"]),
    Field(gettext_lazy("Sold, card-h"), lambda row: row.levels["sold"]),
    Field(gettext_lazy("Allocated, card-h"), lambda row: row.levels["allocated"]),
    Field(gettext_lazy("Active, card-h"), lambda row: row.levels["active"]),
)
PERIOD_FIELDS: Sequence[Field[Period]] = (
    Field(gettext_lazy("From, UTC"), lambda row: row.starts_at),
    Field(gettext_lazy("Installed, card-h"), lambda row: card_hours(row.figures.installed)),
    Field(gettext_lazy("Offered, card-h"), lambda row: card_hours(row.figures.offered)),
    Field(gettext_lazy("Sold, card-h"), lambda row: card_hours(row.figures.sold)),
    Field(gettext_lazy("Allocated, card-h"), lambda row: card_hours(row.figures.allocated)),
    Field(gettext_lazy("Active, card-h"), lambda row: card_hours(row.figures.active)),
    Field(gettext_lazy("Share of the readings that arrived"), lambda row: row.figures.completeness),
)

SORTS: Mapping[str, Callable[[Line], Any]] = {
    "site": lambda row: row.name,
    "hub": lambda row: (row.hub, row.name),
    "share": lambda row: row.active_share or Decimal(0),
    "completeness": lambda row: row.figures.completeness or Decimal(0),
} | {name: (lambda row, name=name: row.levels[name]) for name in LEVELS}


@login_required
@require_safe
def overview(request: PageRequest) -> HttpResponseBase:
    """Installed, offered, sold, allocated, active: in all, by nation, by hub, by site; and what was lost."""
    seen = _seen(request)
    if seen is None:
        return render(request, "audit/overview.html", {"is_empty": True, "found": NOTHING})
    window = window_of(request.GET, seen)
    hub = id_in(request.GET.get("hub", ""))
    rows = _sorted(_league(request, window, hub), request.GET.get("sort", "-share"))
    if request.GET.get("format") == "csv":
        return as_csv("cardhour-utilisation", CSV_FIELDS, rows)
    hubs = cascade(request.viewer, start=window.start, end=window.end, by="hub")
    found = total(hubs)
    context = stated(window, seen, found) | {
        "found": found,
        "levels": levels(found),
        "steps": steps(found),
        "energy": energy_kwh(found),
        "money": money(hubs),
        "idle": card_hours(found.idle),
        "windows": tabs(window, seen),
        "page": page_of(request, rows, SITES_A_PAGE),
        "hub": hub,
        "hub_choices": Zone.objects.filter(pk__in=[row.key for row in hubs]).order_by("name_en"),
        "hub_rows": lines(hubs),
        "nation_rows": lines(cascade(request.viewer, start=window.start, end=window.end, by="nation")),
        "api_url": _api_url(window),
        "csv_url": csv_link(request),
    }
    return render(request, "audit/overview.html", context)


def _seen(request: PageRequest) -> AsOf | None:
    """How far it is added up. Auditors, operators and members of an owner may know; 404 for all others."""
    mine = organisations_for(request.viewer).filter(kind=Organisation.Kind.OWNER)
    if not (request.viewer.sees_everything or mine.exists()):
        raise Http404
    return as_of()


def stated(window: Window, seen: AsOf, found: Figures) -> dict[str, Any]:
    """What every page states: which hours, as of when, and how complete."""
    return {
        "window": window,
        "seen": seen,
        "completeness": found.completeness,
        "missing": found.expected - found.arrived,
        "is_empty": window.is_empty,
    }


def _league(request: PageRequest, window: Window, hub: int | None) -> list[Line]:
    rows = lines(cascade(request.viewer, start=window.start, end=window.end, by="site", hub=hub))
    zones = Zone.objects.in_bulk()
    places = {
        str(pk): (str(zones[zone]), country)
        for pk, zone, country in Site.objects.values_list("pk", "region__zone", "region__country")
    }
    return [replace(row, hub=places[row.key][0], country=places[row.key][1]) for row in rows]


def _sorted(rows: list[Line], sort: str) -> list[Line]:
    key = SORTS.get(sort.removeprefix("-"))
    return sorted(rows, key=key, reverse=sort.startswith("-")) if key else rows


def _api_url(window: Window) -> str:
    query = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    return f"{reverse('api:utilisation')}?{urlencode(query)}"


@login_required
@require_safe
def heat(request: PageRequest) -> HttpResponse:
    """Sites by hours: where and when cards stand idle."""
    seen = _seen(request)
    if seen is None:
        return render(request, "audit/heat.html", {"is_empty": True})
    level = request.GET.get("level", "active")
    level = level if level in LEVELS[1:] else "active"
    window = Window(max(seen.since, seen.until - HEAT_HOURS * HOUR), seen.until, "")
    sites = sites_for(request.viewer).select_related("region__zone").order_by("region__zone", "pk")
    page = page_of(request, sites, HEAT_SITES)
    shown = {site.pk: site for site in page}
    periods = site_periods(list(shown), start=window.start, end=window.end, grain="hour")
    cells = heat_cells(periods, start=window.start, level=level, of=shown)
    found = sum((each.figures for each in periods), NOTHING)
    context = stated(window, seen, found) | {
        "page": page,
        "level": level,
        "levels": [{"label": name, "url": f"?level={name}", "active": name == level} for name in LEVELS[1:]],
        "rows": [(site, cells[pk]) for pk, site in shown.items()],
        "hours": (window.end - window.start) // HOUR,
        "average": found.share(level),
    }
    return render(request, "audit/heat.html", context)


@login_required
@require_safe
def trends(request: PageRequest) -> HttpResponseBase:
    """The levels by day, or by month."""
    seen = _seen(request)
    if seen is None:
        return render(request, "audit/trends.html", {"is_empty": True})
    grain: Grain = "month" if request.GET.get("by") == "month" else "day"
    hub = id_in(request.GET.get("hub", ""))
    first = seen.until - timedelta(days=31 * TREND_MONTHS if grain == "month" else TREND_DAYS)
    start = month_of(first) if grain == "month" else first.replace(hour=0)
    window = Window(start, month_after(month_of(seen.until)), f"by={grain}")
    periods = trend(request.viewer, start=window.start, end=window.end, grain=grain, hub=hub)
    if request.GET.get("format") == "csv":
        return as_csv(f"cardhour-utilisation-by-{grain}", PERIOD_FIELDS, periods)
    found = sum((each.figures for each in periods), NOTHING)
    shown = replace(window, start=max(window.start, seen.since), end=seen.until)
    context = stated(shown, seen, found) | {
        "grain": grain,
        "grains": [
            {"label": gettext_lazy("By day"), "url": "?by=day", "active": grain == "day"},
            {"label": gettext_lazy("By month"), "url": "?by=month", "active": grain == "month"},
        ],
        "share": found.active_share,
        "rows": _period_rows(periods, grain),
        "csv_url": csv_link(request),
    }
    return render(request, "audit/trends.html", context)


def _period_rows(periods: Sequence[Period], grain: Grain) -> list[dict[str, Any]]:
    label, query = _FORMS[grain]
    return [
        {
            "label": f"{each.starts_at:{label}}",
            "query": f"{each.starts_at:{query}}",
            "levels": levels(each.figures),
            "share": each.figures.active_share,
            "completeness": each.figures.completeness,
            "energy": energy_kwh(each.figures),
        }
        | levels(each.figures)
        for each in periods
    ]


# What a period is called, and what chooses it: of a day, its month.
_FORMS: Mapping[Grain, tuple[str, str]] = {
    "hour": ("%Y-%m-%d %H:00", "hour=%Y-%m-%dT%H"),
    "day": ("%Y-%m-%d", "month=%Y-%m"),
    "month": ("%Y-%m", "month=%Y-%m"),
}


@login_required
@require_safe
def site(request: PageRequest, pk: int) -> HttpResponse:
    """The dossier of a site: what is installed, what became of it, its months, and the readings."""
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    seen = as_of()
    now = market_now()
    window = Window(now, now, "") if seen is None else window_of(request.GET, seen)
    rows = cascade(request.viewer, start=window.start, end=window.end, by="site", site=shown.pk)
    found = total(rows)
    deliveries = deliveries_for(request.viewer).filter(
        site=shown, starts_at__lt=window.end, ends_at__gt=window.start
    )
    chosen = id_in(request.GET.get("delivery", ""))
    readings = readings_for(request.viewer).filter(
        delivery__site=shown, slot__gte=window.start, slot__lt=window.end
    )
    if chosen is not None:
        readings = readings.filter(delivery=chosen)
    facts = {"is_empty": True} if seen is None else _facts_of_site(shown, window, seen, found)
    context = facts | {
        "site": shown,
        "found": found,
        "money": money(rows),
        "fleets": fleets_for(request.viewer).filter(site=shown).order_by("pk"),
        "deliveries": list(deliveries[:ROWS_A_PAGE]),
        "deliveries_in_all": deliveries.count(),
        "chosen": chosen,
        "usage": _usage(readings),
        "page": page_of(request, readings, ROWS_A_PAGE),
    }
    return render(request, "audit/site.html", context)


def _facts_of_site(shown: Site, window: Window, seen: AsOf, found: Figures) -> dict[str, Any]:
    hours = site_hours(shown, max(window.start, window.end - HEAT_HOURS * HOUR), window.end)
    months = site_periods([shown.pk], start=month_of(seen.since), end=seen.until, grain="month")
    return stated(window, seen, found) | {
        "windows": tabs(window, seen),
        "levels": levels(found),
        "steps": steps(found),
        "energy": energy_kwh(found),
        "hours": list(reversed(_period_rows(hours, "hour"))),
        "months": _period_rows([Period(each.starts_at, each.figures) for each in months], "month"),
    }


def _usage(readings: QuerySet[Reading]) -> list[dict[str, Any]]:
    """What the newest readings add up to: card-hours and kWh of each slot and delivery."""
    sums: dict[tuple[Any, int], dict[str, Any]] = {}
    for row in usage_by_slot(readings).order_by("-slot", "delivery", "meter")[: 3 * ROWS_A_PAGE]:
        line = sums.setdefault(
            (row["slot"], row["delivery"]), {"slot": row["slot"], "delivery": row["delivery"], "readings": 0}
        )
        line[METERS[row["meter"]]] = Decimal(row["total"]) / UNITS[row["meter"]]
        line["readings"] += row["readings"]
    return list(sums.values())
