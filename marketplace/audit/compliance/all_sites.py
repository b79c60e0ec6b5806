"""The figures of all sites of a policy at once: what ``measuring`` says of one, in few queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Sum

from marketplace.agreements.models import Agreement
from marketplace.audit.compliance.genuine import sites_with_doubts
from marketplace.audit.compliance.measuring import A_DAY, HOURS_A_DAY, band, last_midnight, measure
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.rolling import Status, bounds_of
from marketplace.audit.compliance.selectors import rule_of
from marketplace.audit.utilisation.selectors import as_of
from marketplace.catalogue.models import Region
from marketplace.energy.models import EnergyHour
from marketplace.supply.models import Site
from marketplace.supply.selectors import fresh_round_trips

Bounds = tuple[Decimal, Decimal] | None
BoundsBySite = dict[int, Bounds]

DAYS = """
    SELECT fleet.site_id, count(DISTINCT day.starts_at), sum(day.installed), sum(day.{level}),
        sum(day.unreported), sum(day.activity_unknown)
    FROM utilisation_fleetday day JOIN supply_fleet fleet ON fleet.id = day.fleet_id
    WHERE day.starts_at >= %(start)s AND day.starts_at < %(end)s AND fleet.site_id = ANY(%(sites)s)
    GROUP BY fleet.site_id
"""
POWER = """
    SELECT site_id, count(*), sum(pue), sum(direct + certificate + mix) FROM (
        SELECT DISTINCT ON (site_id, hour) site_id, pue, direct, certificate, mix FROM {table}
        WHERE hour >= %(start)s AND hour < %(end)s AND site_id = ANY(%(sites)s)
        ORDER BY site_id, hour, batch_id DESC
    ) AS latest GROUP BY site_id
"""


def bounds_by_site(policy: Policy, sites: Sequence[Site], *, now: datetime) -> BoundsBySite:
    """The figure of each site over the window, at least and at most; ``None`` where it is not known."""
    until = last_midnight(now)
    start = until - policy.window_days * A_DAY
    return KINDS[policy.kind](policy, sites, start, until)


def statuses(policy: Policy, bounds: BoundsBySite) -> dict[int, Status]:
    """Without the time to cure: who is below the threshold is in breach."""
    rule = rule_of(policy)
    return {
        site: Status.UNKNOWN if figure is None else rule.status(*figure) for site, figure in bounds.items()
    }


def counted(found: Mapping[int, Status]) -> dict[str, int]:
    counts = Counter(found.values())
    return {
        status.value: counts[status]
        for status in (Status.COMPLIES, Status.WARNING, Status.BREACH, Status.UNKNOWN)
    }


def _of_level(policy: Policy, sites: Sequence[Site], start: datetime, end: datetime) -> BoundsBySite:
    found: BoundsBySite = dict.fromkeys((site.pk for site in sites), None)
    for site, days, installed, told, unreported, untold in _days(policy.level, sites, start, end):
        if days == policy.window_days and installed:
            missing = {"allocated": unreported, "active": unreported + untold}.get(policy.level, 0)
            found[site] = told / installed, (told + missing) / installed
    return found


def _genuine(policy: Policy, sites: Sequence[Site], start: datetime, end: datetime) -> BoundsBySite:
    doubted = sites_with_doubts()
    by_id = {site.pk: site for site in sites}
    found: BoundsBySite = dict.fromkeys(by_id, None)
    for site, days, installed, sold, _unreported, _untold in _days("sold", sites, start, end):
        if site in doubted:
            # Few, and of these each day is looked at.
            found[site] = bounds_of(measure(policy, by_id[site], now=end, history=0).days, policy.window_days)
        elif days == policy.window_days and installed:
            found[site] = sold / installed, sold / installed
    return found


def _days(
    level: str, sites: Sequence[Site], start: datetime, end: datetime
) -> list[tuple[int, int, Decimal, Decimal, Decimal, Decimal]]:
    """Site, days that are added up, and sums in card-seconds."""
    seen = as_of()
    if seen is None or start < seen.since or end > seen.until:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            DAYS.format(level=level), {"start": start, "end": end, "sites": [site.pk for site in sites]}
        )
        rows: list[tuple[int, int, Decimal, Decimal, Decimal, Decimal]] = cursor.fetchall()
        return rows


def _power(
    place: int, declared: Callable[[Site], Decimal]
) -> Callable[[Policy, Sequence[Site], datetime, datetime], BoundsBySite]:
    def measured(policy: Policy, sites: Sequence[Site], start: datetime, end: datetime) -> BoundsBySite:
        hours = policy.window_days * HOURS_A_DAY
        with connection.cursor() as cursor:
            cursor.execute(
                POWER.format(table=EnergyHour._meta.db_table),
                {"start": start, "end": end, "sites": [site.pk for site in sites]},
            )
            told = {row[0]: row for row in cursor.fetchall()}
        found: BoundsBySite = {}
        for site in sites:
            row = told.get(site.pk, (site.pk, 0, Decimal(0), Decimal(0)))
            missing = hours - row[1]
            mean = (row[place] + missing * declared(site)) / hours
            found[site.pk] = (mean, mean) if policy.accepts_declared or not missing else None
        return found

    return measured


def _latency(policy: Policy, sites: Sequence[Site], _start: datetime, end: datetime) -> BoundsBySite:
    places = list(Region.objects.filter(slug__in=policy.places))
    if len(places) < len(policy.places):
        return dict.fromkeys((site.pk for site in sites), None)
    trips = {
        (trip.site_id, trip.region_id): trip.milliseconds
        for trip in fresh_round_trips(end + A_DAY).filter(region__in=places)
    }
    found: BoundsBySite = {}
    for site in sites:
        bands = [band(site.region, place, trips.get((site.pk, place.pk))) for place in places]
        found[site.pk] = min(low for low, _high in bands), min(high for _low, high in bands)
    return found


def _residency(policy: Policy, sites: Sequence[Site], start: datetime, end: datetime) -> BoundsBySite:
    sold = dict(
        Agreement.objects.filter(
            buyer__jurisdiction=policy.jurisdiction, starts_at__lt=end, ends_at__gt=start
        )
        .exclude(allocation=None)
        .order_by()
        .values("allocation__offer__fleet__site")
        .annotate(card_hours=Sum("card_hours"))
        .values_list("allocation__offer__fleet__site", "card_hours")
    )
    outside = {
        site.pk: Decimal(0 if site.region.jurisdiction in policy.places else sold.get(site.pk) or 0)
        for site in sites
    }
    return {site: (figure, figure) for site, figure in outside.items()}


KINDS: Mapping[str, Callable[[Policy, Sequence[Site], datetime, datetime], BoundsBySite]] = {
    Policy.Kind.UTILISATION: _of_level,
    Policy.Kind.GENUINE: _genuine,
    Policy.Kind.PUE: _power(2, lambda site: site.pue),
    Policy.Kind.RENEWABLE: _power(3, lambda site: site.renewable_share),
    Policy.Kind.LATENCY: _latency,
    Policy.Kind.RESIDENCY: _residency,
}
