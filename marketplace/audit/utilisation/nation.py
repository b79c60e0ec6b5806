"""The nation at a glance: each hub's price, who buys where, how near it is, what was asked for in vain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.actors import Viewer
from marketplace.audit.utilisation.figures import Figures
from marketplace.audit.utilisation.models import REFERENCE_WORKLOAD
from marketplace.audit.utilisation.selectors import cascade
from marketplace.catalogue.models import Region, Zone
from marketplace.catalogue.selectors import round_trips

# The classes of the plan for the national network: within a city, within a hub's region, between hubs.
LATENCY_CLASSES_MS = (1, 5, 20)
COLUMNS = 6
MOST_FLOWS = 12

PRICES = """
    SELECT price.zone_id, price.currency,
        sum(price.price * price.cards) / nullif(sum(price.cards * profile.rate), 0)
    FROM clearing_clearingprice price
    JOIN clearing_marketrun run ON run.id = price.run_id
    JOIN catalogue_performanceprofile profile ON profile.version_id = run.profile_version_id
        AND profile.model_id = price.model_id AND profile.workload = %(workload)s
    WHERE price.slot >= %(start)s AND price.slot < %(end)s
    GROUP BY price.zone_id, price.currency
"""
FLOWS = """
    SELECT buyer.jurisdiction, region.zone_id, sum(allocation.cards * extract(epoch FROM
        least(allocation.ends_at, %(end)s) - greatest(allocation.starts_at, %(start)s)) / 3600)::bigint
    FROM clearing_allocation allocation
    JOIN agreements_agreement agreement ON agreement.allocation_id = allocation.id
    JOIN accounts_organisation buyer ON buyer.id = agreement.buyer_id
    JOIN supply_offer offer ON offer.id = allocation.offer_id
    JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
    JOIN supply_site site ON site.id = fleet.site_id
    JOIN catalogue_region region ON region.id = site.region_id
    WHERE allocation.starts_at < %(end)s AND allocation.ends_at > %(start)s
    GROUP BY buyer.jurisdiction, region.zone_id ORDER BY 3 DESC, 1, 2
"""
# Each request counts once, by what the last run of the window said of it.
IN_VAIN = """
    SELECT buyer.jurisdiction, last.binding, count(*), sum(asked.card_hours)
    FROM (
        SELECT DISTINCT ON (explanation.request_id) explanation.request_id, outcome, binding
        FROM clearing_explanation explanation
        JOIN clearing_marketrun run ON run.id = explanation.run_id
        WHERE run.committed_at >= %(start)s AND run.committed_at < %(end)s AND run.term_id IS NULL
        ORDER BY explanation.request_id, explanation.run_id DESC
    ) AS last
    JOIN demand_computerequest request ON request.id = last.request_id
    JOIN accounts_organisation buyer ON buyer.id = request.organisation_id
    CROSS JOIN LATERAL (
        SELECT max(amount * hours) AS card_hours FROM demand_alternative WHERE request_id = request.id
    ) AS asked
    WHERE last.outcome = 'unmatched'
    GROUP BY buyer.jurisdiction, last.binding ORDER BY 4 DESC, 1, 2
"""


@dataclass(frozen=True, slots=True)
class Hub:
    """A zone; inland is what lies in a country that takes part in the programme.

    ``price`` is the average of what was sold, for an nP-hour; ``latency`` is its class in ms to the nearest
    city of demand, empty beyond the last one. ``column`` and ``row`` place its tile.
    """

    pk: int
    name: str
    is_inland: bool
    figures: Figures | None
    price: Decimal | None
    currency: str
    latency: int | None
    column: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Card-hours that buyers of a jurisdiction bought at a hub."""

    jurisdiction: str
    hub: Hub
    card_hours: int


@dataclass(frozen=True, slots=True)
class InVain:
    """Requests of a jurisdiction that found nothing, and which constraint decided it."""

    jurisdiction: str
    binding: str
    requests: int
    card_hours: Decimal


@dataclass(frozen=True, slots=True)
class Nation:
    inland: Sequence[Hub]
    others: Sequence[Hub]
    flows: Sequence[Flow]
    in_vain: Sequence[InVain]


def nation(viewer: Viewer, *, start: datetime, end: datetime) -> Nation:
    """All of it over full UTC hours; for auditors and operators, for it tells everybody's figures."""
    hubs = _hubs(viewer, start, end)
    known = {hub.pk: hub for hub in hubs}
    facts = {"start": start, "end": end}
    flows = [Flow(whence, known[zone], hours) for whence, zone, hours in _rows(FLOWS, facts)]
    in_vain = [InVain(*row) for row in _rows(IN_VAIN, facts)]
    inland = [hub for hub in hubs if hub.is_inland]
    others = [hub for hub in hubs if not hub.is_inland]
    return Nation(inland, others, flows, in_vain)


def _hubs(viewer: Viewer, start: datetime, end: datetime) -> list[Hub]:
    figures = {row.key: row.figures for row in cascade(viewer, start=start, end=end, by="hub")}
    facts = {"start": start, "end": end, "workload": REFERENCE_WORKLOAD.value}
    prices = {zone: (price, currency) for zone, currency, price in _rows(PRICES, facts)}
    zones = {zone.pk: zone for zone in Zone.objects.all()}
    regions: dict[int, list[Region]] = {pk: [] for pk in zones}
    for region in Region.objects.order_by("pk"):
        regions[region.zone_id].append(region)
    nearest = _nearest(regions)
    inland = _inland(regions)
    placed = _places({pk: own for pk, own in regions.items() if own}, inland)
    return [
        Hub(
            pk=pk,
            name=str(zones[pk]),
            is_inland=pk in inland,
            figures=figures.get(str(pk)),
            price=prices.get(pk, (None, ""))[0],
            currency=zones[pk].currency,
            latency=nearest[pk],
            column=column,
            row=row,
        )
        for pk, column, row in placed
    ]


def _inland(regions: Mapping[int, Iterable[Region]]) -> set[int]:
    """The zones in countries that have hubs of the programme."""
    countries = {each.country for own in regions.values() for each in own if each.national_hub}
    return {pk for pk, own in regions.items() if any(each.country in countries for each in own)}


def _nearest(regions: Mapping[int, Sequence[Region]]) -> dict[int, int | None]:
    """The latency class of the shortest way from a zone to any city of demand, its own included."""
    times = round_trips()
    demand = [
        region.pk
        for own in regions.values()
        for region in own
        if region.kind in {Region.Kind.DEMAND, Region.Kind.BOTH, Region.Kind.GLOBAL}
    ]
    shortest = {
        pk: min((times[region.pk, city] for region in own for city in demand), default=None)
        for pk, own in regions.items()
    }
    return {pk: None if us is None else latency_class(us) for pk, us in shortest.items()}


def latency_class(microseconds: int) -> int | None:
    """The first class that a round trip is within; nothing beyond the last."""
    return next((ms for ms in LATENCY_CLASSES_MS if microseconds <= ms * 1000), None)


def _places(regions: Mapping[int, Sequence[Region]], inland: set[int]) -> list[tuple[int, int, int]]:
    """A tile for each zone: columns from west to east, rows from north to south. No borders, no distances."""
    found: list[tuple[int, int, int]] = []
    for is_inland in (True, False):
        zones = [pk for pk in regions if (pk in inland) == is_inland]
        zones.sort(key=lambda pk: (_mean(regions[pk], "longitude"), pk))
        high = -(-len(zones) // COLUMNS) or 1
        columns = [zones[first : first + high] for first in range(0, len(zones), high)]
        for column, own in enumerate(columns):
            own.sort(key=lambda pk: (-_mean(regions[pk], "latitude"), pk))
            found.extend((pk, column, row) for row, pk in enumerate(own))
    return found


def _mean(regions: Sequence[Region], name: str) -> Decimal:
    values: list[Decimal] = [getattr(region, name) for region in regions]
    return sum(values, Decimal(0)) / len(values)


def _rows(statement: str, facts: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
