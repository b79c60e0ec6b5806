"""Utilisation over the API: owners see their sites, auditors and operators all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainView
from marketplace.audit.utilisation.figures import AsOf, Figures, Money, Row
from marketplace.audit.utilisation.models import LEVELS
from marketplace.audit.utilisation.presentation import energy_kwh, levels, losses, np_hours
from marketplace.audit.utilisation.selectors import By, Period, as_of, cascade, money, total, trend
from marketplace.audit.utilisation.windows import Window, window_of
from marketplace.clock import floor_hour
from marketplace.errors import InvalidInput
from marketplace.supply.models import Site

WINDOW = [
    OpenApiParameter("start", OpenApiTypes.DATETIME, description="a full UTC hour; 24 hours before the end"),
    OpenApiParameter("end", OpenApiTypes.DATETIME, description="a full UTC hour; the last that is added up"),
]

GROUPS: tuple[By, ...] = ("site", "nation", "hub", "model")


def _card_hours() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=24, decimal_places=6)


class LevelsSerializer(serializers.Serializer[Any]):
    """Card-hours; ``card_seconds`` are the same, exact. Losses explain each step to the next level."""

    installed = _card_hours()
    offered = _card_hours()
    sold = _card_hours()
    allocated = _card_hours()
    active = _card_hours()
    active_share = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)
    card_seconds = serializers.DictField(child=serializers.IntegerField())
    losses = serializers.DictField(child=serializers.DecimalField(max_digits=24, decimal_places=6))
    np_hours = serializers.DictField(
        child=serializers.DecimalField(max_digits=30, decimal_places=6, allow_null=True)
    )
    energy_kwh = serializers.DecimalField(max_digits=24, decimal_places=3, allow_null=True)
    completeness = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)


class MoneySerializer(serializers.Serializer[Money]):
    """What usage was charged and what of it was given back, exact, as it stands on the invoices' charges."""

    amount = serializers.DecimalField(max_digits=38, decimal_places=12)
    credited = serializers.DecimalField(max_digits=38, decimal_places=12)


class SiteLevelsSerializer(serializers.Serializer[Any]):
    site_id = serializers.IntegerField()
    site = serializers.CharField()
    hub = serializers.CharField()
    country = serializers.CharField()
    levels = LevelsSerializer()


class UtilisationSerializer(serializers.Serializer[Any]):
    """``added_up_until`` is the hour up to which it is known at all."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    added_up_until = serializers.DateTimeField()
    added_up_at = serializers.DateTimeField()
    total = LevelsSerializer()
    money = serializers.DictField(child=MoneySerializer())
    nations = serializers.DictField(child=LevelsSerializer())
    hubs = serializers.DictField(child=LevelsSerializer())
    models = serializers.DictField(child=LevelsSerializer())
    sites = SiteLevelsSerializer(many=True)


class PeriodSerializer(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField()
    levels = LevelsSerializer()


class UtilisationView(DomainView):
    """Installed, offered, sold, allocated and active card-hours over whole UTC hours, and what was lost."""

    @extend_schema(parameters=WINDOW, responses=UtilisationSerializer)
    def get(self, request: Request) -> Response:
        seen = _seen()
        window = _window(request, seen)
        groups: dict[By, list[Row]] = {
            by: cascade(self.viewer, start=window.start, end=window.end, by=by) for by in GROUPS
        }
        answer = {
            "start": window.start,
            "end": window.end,
            "added_up_until": seen.until,
            "added_up_at": seen.rolled_at,
            "total": _told(total(groups["site"])),
            "money": money(groups["site"]),
            "nations": _by_name(groups["nation"]),
            "hubs": _by_name(groups["hub"]),
            "models": _by_name(groups["model"]),
            "sites": _sites(groups["site"]),
        }
        return Response(UtilisationSerializer(answer).data)


class TrendView(DomainView):
    """The levels by UTC day or month."""

    @extend_schema(
        parameters=[
            *WINDOW,
            OpenApiParameter("by", str, enum=["hour", "day", "month"], description="day"),
            OpenApiParameter("site", int, description="of one site"),
        ],
        responses=PeriodSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        window = _window(request, _seen())
        grain = request.query_params.get("by", "day")
        begins = _BEGINS.get(grain)
        if begins is None:
            raise InvalidInput(f"{grain} is no period.", {"by": "use hour, day or month"})
        site = request.query_params.get("site")
        if site is not None and not (site.isascii() and site.isdigit()):
            raise InvalidInput(f"{site} is not the id of a site.", {"site": "use a number"})
        periods = trend(
            self.viewer,
            start=begins(window.start),
            end=window.end,
            grain=grain,  # type: ignore[arg-type]  # a key of _BEGINS
            site=None if site is None else int(site),
        )
        return Response(PeriodSerializer([_period(each) for each in periods], many=True).data)


_BEGINS: dict[str, Callable[[datetime], datetime]] = {
    "hour": lambda moment: moment,
    "day": lambda moment: moment.replace(hour=0),
    "month": lambda moment: moment.replace(day=1, hour=0),
}


def _told(figures: Figures) -> dict[str, Any]:
    return levels(figures) | {
        "active_share": figures.active_share,
        "card_seconds": {name: getattr(figures, name) for name in LEVELS},
        "losses": losses(figures),
        "np_hours": {name: np_hours(getattr(figures, f"np_{name}")) for name in LEVELS},
        "energy_kwh": energy_kwh(figures),
        "completeness": figures.completeness,
    }


def _by_name(rows: Sequence[Row]) -> dict[str, Any]:
    return {row.name: _told(row.figures) for row in rows}


def _sites(rows: Sequence[Row]) -> list[dict[str, Any]]:
    known = Site.objects.select_related("region__zone").in_bulk([int(row.key) for row in rows])
    return [_site(known[int(row.key)], row) for row in rows]


def _site(site: Site, row: Row) -> dict[str, Any]:
    return {
        "site_id": site.pk,
        "site": row.name,
        "hub": str(site.region.zone),
        "country": site.region.country,
        "levels": _told(row.figures),
    }


def _period(period: Period) -> dict[str, Any]:
    return {"starts_at": period.starts_at, "levels": _told(period.figures)}


def _seen() -> AsOf:
    seen = as_of()
    if seen is None:
        raise InvalidInput("Nothing is added up before the first full hour of the market has ended.")
    return seen


def _window(request: Request, seen: AsOf) -> Window:
    usual = window_of({}, seen)
    start = _full_hour(request, "start") or usual.start
    end = _full_hour(request, "end") or usual.end
    if start >= end:
        raise InvalidInput("The window is empty.", {"start": "must lie before end"})
    return Window(start, end, "")


def _full_hour(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    moment = serializers.DateTimeField().run_validation(text)
    if moment != floor_hour(moment):
        raise InvalidInput(f"{name} is not a full UTC hour.", {name: "use a full hour, 2026-03-01T08:00Z"})
    return floor_hour(moment)
