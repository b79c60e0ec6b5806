"""Reading utilisation: owners their own sites, auditors and operators all. The interface of other slices.

A window is taken from whole months, days and hours, whichever are the fewest rows, and the whole nation from
the sums by place: a month of 20,000 fleets is answered from rows that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypedDict, Unpack

from django.db import connection
from django.utils.translation import get_language

from accounts.actors import Capability, Viewer
from marketplace.audit.utilisation.figures import NAMES, NOTHING, AsOf, Figures, Money, Row
from marketplace.audit.utilisation.models import (
    FleetDay,
    FleetHour,
    FleetMonth,
    OfFleet,
    OfPlace,
    PlaceDay,
    PlaceHour,
    RolledUntil,
)
from marketplace.errors import InvalidInput
from marketplace.supply.models import Site

By = Literal["fleet", "site", "owner", "hub", "nation", "model"]
Grain = Literal["hour", "day", "month"]
A_DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)

FLEETS: Mapping[str, type[OfFleet]] = {"hour": FleetHour, "day": FleetDay, "month": FleetMonth}
# There are so few days of places that they need no months.
PLACES: Mapping[str, type[OfPlace]] = {"hour": PlaceHour, "day": PlaceDay}

OF_FLEETS = """
    JOIN supply_fleet fleet ON fleet.id = part.fleet_id
    JOIN supply_site site ON site.id = fleet.site_id
    JOIN catalogue_region region ON region.id = site.region_id
    JOIN catalogue_zone zone ON zone.id = region.zone_id
"""
OF_PLACES = """
    JOIN catalogue_region region ON region.id = part.region_id
    JOIN catalogue_zone zone ON zone.id = region.zone_id
"""
# What tells a group, and where its name is read.
KEYS: Mapping[str, str] = {
    "fleet": "fleet.id",
    "site": "site.id",
    "owner": "site.owner_id",
    "hub": "zone.id",
    "nation": "region.country",
    "model": "{model}",
}
NAMED: Mapping[str, str] = {
    "fleet": """SELECT fleet.id, site.name_{lang} || ', ' || model.vendor || ' ' || model.name
        FROM supply_fleet fleet JOIN supply_site site ON site.id = fleet.site_id
        JOIN catalogue_acceleratormodel model ON model.id = fleet.model_id""",
    "site": "SELECT id, name_{lang} FROM supply_site",
    "owner": "SELECT id, name_{lang} FROM accounts_organisation",
    "hub": "SELECT id, name_{lang} FROM catalogue_zone",
    "nation": "SELECT DISTINCT country, country FROM catalogue_region",
    "model": "SELECT id, vendor || ' ' || name FROM catalogue_acceleratormodel",
}
PLACE_WIDE = frozenset({"hub", "nation", "model"})
COLUMNS = (*NAMES, "amount", "credited")
SUMS = ", ".join(
    f"sum({name})" if name.startswith("np_") or name in {"amount", "credited"} else f"sum({name})::bigint"
    for name in COLUMNS
)


class Narrowed(TypedDict, total=False):
    """What figures are narrowed to: ids, and of a nation its code. What is empty narrows nothing."""

    site: int | None
    owner: int | None
    hub: int | None
    nation: str | None
    model: int | None
    fleet: int | None


@dataclass(frozen=True, slots=True)
class Period:
    """The cascade of one hour, day or month."""

    starts_at: datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class SitePeriod:
    """The cascade of one site in one hour, day or month."""

    site: int
    starts_at: datetime
    figures: Figures


def as_of() -> AsOf | None:
    """How far utilisation is added up; nothing before the first pass."""
    seen = RolledUntil.objects.first()
    return None if seen is None else AsOf(seen.since, seen.until, seen.rolled_at)


def cascade(
    viewer: Viewer, *, start: datetime, end: datetime, by: By = "site", **where: Unpack[Narrowed]
) -> list[Row]:
    """Levels and losses of whole UTC hours ``[start, end)``, a row a group in the order of its key.

    Of the sites that the viewer may see. A group without a row has no fleet in what was added up.
    """
    wide = by in PLACE_WIDE and _is_of_places(viewer, where)
    key = f"{KEYS[by].format(model=_model(wide=wide))}, zone.currency"
    rows = _query(viewer, list(_parts(start, end, months=not wide)), where, key, wide=wide)
    names = _names(by)
    return [Row(key, names.get(key, key), figures, money) for key, figures, money in _groups(rows)]


def total(rows: Sequence[Row]) -> Figures:
    """What rows add up to."""
    return sum((row.figures for row in rows), NOTHING)


def money(rows: Sequence[Row]) -> dict[str, Money]:
    """What rows were charged and given back, by currency."""
    sums: dict[str, Money] = {}
    for currency, one in (each for row in rows for each in row.money.items()):
        sums[currency] = sums.get(currency, Money(Decimal(0), Decimal(0))) + one
    return dict(sorted(sums.items()))


def trend(
    viewer: Viewer, *, start: datetime, end: datetime, grain: Grain, **where: Unpack[Narrowed]
) -> list[Period]:
    """The cascade of all that the viewer sees, or of what it is narrowed to, period by period.

    ``start`` and ``end`` are the beginnings of periods.
    """
    wide = _is_of_places(viewer, where)
    key = f"date_trunc('{grain}', part.starts_at, 'UTC'), NULL"
    parts = [("day" if wide and grain == "month" else grain, start, end)]
    return _periods(_query(viewer, parts, where, key, wide=wide))


def site_hours(site: Site, start: datetime, end: datetime) -> list[Period]:
    """The cascade of a site, which the caller may see, in each hour of ``[start, end)`` that is added up."""
    parts = [("hour", start, end)]
    return _periods(_query(None, parts, {"site": site.pk}, "part.starts_at, NULL", wide=False))


def site_periods(sites: Sequence[int], *, start: datetime, end: datetime, grain: Grain) -> list[SitePeriod]:
    """The cascade of each of these sites, which the caller may see, in each period."""
    joined = FLEETS[grain]._meta.db_table
    statement = f"""
        SELECT fleet.site_id, part.starts_at, {SUMS} FROM {joined} part
        JOIN supply_fleet fleet ON fleet.id = part.fleet_id
        WHERE fleet.site_id = ANY(%(sites)s) AND part.starts_at >= %(start)s AND part.starts_at < %(end)s
        GROUP BY fleet.site_id, part.starts_at ORDER BY fleet.site_id, part.starts_at
    """  # noqa: S608 constants of this module
    with connection.cursor() as cursor:
        cursor.execute(statement, {"sites": list(sites), "start": start, "end": end})
        return [SitePeriod(pk, moment, _figures(rest)) for pk, moment, *rest in cursor.fetchall()]


def _periods(rows: Sequence[tuple[Any, ...]]) -> list[Period]:
    return [Period(moment, _figures(rest)) for moment, _, *rest in rows]


def _is_of_places(viewer: Viewer, where: Narrowed) -> bool:
    """Whether sums by place say it: nothing is hidden from the viewer, and nothing finer is asked for."""
    finer = where.get("site"), where.get("owner"), where.get("fleet")
    return viewer.sees_everything and finer == (None, None, None)


def _model(*, wide: bool) -> str:
    return "part.model_id" if wide else "fleet.model_id"


def _query(
    viewer: Viewer | None,
    parts: Sequence[tuple[str, datetime, datetime]],
    where: Narrowed,
    key: str,
    *,
    wide: bool,
) -> list[tuple[Any, ...]]:
    """Key, another key, and the columns, of each group. Without a viewer nobody is left out."""
    tables: Mapping[str, type[OfFleet] | type[OfPlace]] = PLACES if wide else FLEETS
    conditions, facts = _conditions(viewer, where, wide=wide)
    selects = []
    for number, (grain, start, end) in enumerate(parts):
        table = tables[grain]._meta.db_table
        window = f"starts_at >= %(s{number})s AND starts_at < %(e{number})s"
        selects.append(f"SELECT * FROM {table} WHERE {window}")  # noqa: S608 a table of ours
        facts |= {f"s{number}": start, f"e{number}": end}
    if not selects:
        return []
    statement = f"""
        SELECT {key}, {SUMS} FROM ({" UNION ALL ".join(selects)}) AS part
        {OF_PLACES if wide else OF_FLEETS}
        WHERE {conditions} GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 constants of this module
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _conditions(viewer: Viewer | None, where: Narrowed, *, wide: bool) -> tuple[str, dict[str, Any]]:
    facts = {name: value for name, value in where.items() if value is not None}
    found = [f"{KEYS[name].format(model=_model(wide=wide))} = %({name})s" for name in facts]
    if viewer is not None and not viewer.sees_everything:
        found.append("site.owner_id = ANY(%(mine)s)")
        facts["mine"] = viewer.organisations_with(Capability.READ)
    return " AND ".join(found) or "true", facts


def _parts(start: datetime, end: datetime, *, months: bool) -> Iterator[tuple[str, datetime, datetime]]:
    """Whole hours cut into months, days and hours. What lies outside of all rows may be cut anywhere."""
    if start > end:
        raise InvalidInput("The window is empty.", {"start": "must lie before end"})
    seen = as_of()
    if seen is None or end <= seen.since or start >= seen.until:
        return
    first = _month(seen.since) if start <= seen.since else start
    last = _end_of_month(seen.until) if end >= seen.until else end
    yield from _cut(first, last, months=months)


def _cut(start: datetime, end: datetime, *, months: bool) -> Iterator[tuple[str, datetime, datetime]]:
    days = _day(start + A_DAY - MOMENT), _day(end)
    if days[0] >= days[1]:
        yield from _unless_empty("hour", start, end)
        return
    yield from _unless_empty("hour", start, days[0])
    whole = (days[0] if _month(days[0]) == days[0] else _end_of_month(days[0])), _month(days[1])
    if months and whole[0] < whole[1]:
        yield from _unless_empty("day", days[0], whole[0])
        yield ("month", *whole)
        yield from _unless_empty("day", whole[1], days[1])
    else:
        yield ("day", *days)
    yield from _unless_empty("hour", days[1], end)


def _unless_empty(grain: str, start: datetime, end: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    if start < end:
        yield (grain, start, end)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _month(moment: datetime) -> datetime:
    return _day(moment).replace(day=1)


def _end_of_month(moment: datetime) -> datetime:
    return _month(_month(moment) + timedelta(days=32))


def _groups(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Figures, Mapping[str, Money]]]:
    """Rows of one key and several currencies become one group."""
    found: dict[str, tuple[Figures, dict[str, Money]]] = {}
    for key, currency, *rest in rows:
        figures, money = found.get(str(key), (None, {}))
        money[currency] = Money(rest[-2], rest[-1])
        found[str(key)] = (_figures(rest) if figures is None else figures + _figures(rest), money)
    for key, (figures, money) in found.items():
        yield key, figures, money


def _figures(columns: Sequence[Any]) -> Figures:
    return Figures(*columns[: len(NAMES)])


def _names(by: By) -> dict[str, str]:
    language = "zh" if (get_language() or "").startswith("zh") else "en"
    with connection.cursor() as cursor:
        cursor.execute(NAMED[by].format(lang=language))
        return {str(key): name for key, name in cursor.fetchall()}
