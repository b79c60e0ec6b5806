"""Utilisation at five levels, from the same rows that are billed.

- installed: cards of fleets, from the day they were installed
- offered: cards of offers inside their window until they were withdrawn, and sold hours after that
- sold: cards that agreements bought, from the hours of the offers' book
- allocated: card-seconds that sites reported as delivered, the readings that are rated
- active: card-seconds in which the cards were busy, from the same sites

Everything is in card-hours over whole UTC hours ``[start, end)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Sum
from django.utils.translation import get_language

from accounts.actors import Capability, Viewer
from billing.invoicing.models import Document, Line
from billing.metering.models import Meter, MeteredHour
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import MarketRun
from marketplace.clock import HOUR, floor_hour
from marketplace.delivery.models import Delivery, DeliveryState

SECONDS_AN_HOUR = 3600

LEVELS_BY_SITE = """
WITH shown AS (
    SELECT id FROM supply_site
    WHERE (%(everything)s OR owner_id = ANY(%(owners)s)) AND (%(site)s::bigint IS NULL OR id = %(site)s)
), installed AS (
    SELECT site_id, sum(cards * greatest(0, extract(epoch FROM
        %(end)s - greatest(installed_at, %(start)s)) / 3600)) AS card_hours
    FROM supply_fleet WHERE site_id IN (SELECT id FROM shown) GROUP BY site_id
), sold AS (
    SELECT fleet.site_id, sum(hour.cards_sold) AS card_hours,
        coalesce(sum(hour.cards_sold) FILTER (WHERE hour.slot >= offer.withdrawn_at), 0) AS after_withdrawal
    FROM supply_offerhour hour
    JOIN supply_offer offer ON offer.id = hour.offer_id
    JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
    WHERE hour.slot >= %(start)s AND hour.slot < %(end)s AND fleet.site_id IN (SELECT id FROM shown)
    GROUP BY fleet.site_id
), offered AS (
    SELECT fleet.site_id, sum(offer.cards * greatest(0, extract(epoch FROM
        least(offer.ends_at, offer.withdrawn_at, %(end)s)
        - greatest(offer.starts_at, offer.entered_at, %(start)s)) / 3600)) AS card_hours
    FROM supply_offer offer JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
    WHERE offer.starts_at < %(end)s AND offer.ends_at > %(start)s AND fleet.site_id IN (SELECT id FROM shown)
    GROUP BY fleet.site_id
), metered AS (
    SELECT delivery.site_id,
        sum(hour.quantity) FILTER (WHERE hour.meter = %(allocated)s) AS allocated,
        sum(hour.quantity) FILTER (WHERE hour.meter = %(active)s) AS active
    FROM metering_meteredhour hour JOIN delivery_delivery delivery ON delivery.id = hour.delivery_id
    WHERE hour.slot >= %(start)s AND hour.slot < %(end)s
        AND hour.meter IN (%(allocated)s, %(active)s) AND delivery.site_id IN (SELECT id FROM shown)
    GROUP BY delivery.site_id
)
SELECT site.id, site.name_en, site.name_zh, zone.name_en, zone.name_zh, region.country,
    coalesce(installed.card_hours, 0),
    coalesce(offered.card_hours, 0) + coalesce(sold.after_withdrawal, 0),
    coalesce(sold.card_hours, 0),
    coalesce(metered.allocated, 0),
    coalesce(metered.active, 0)
FROM supply_site site
JOIN catalogue_region region ON region.id = site.region_id
JOIN catalogue_zone zone ON zone.id = region.zone_id
LEFT JOIN installed ON installed.site_id = site.id
LEFT JOIN offered ON offered.site_id = site.id
LEFT JOIN sold ON sold.site_id = site.id
LEFT JOIN metered ON metered.site_id = site.id
WHERE site.id IN (SELECT id FROM shown)
ORDER BY site.id
"""


@dataclass(frozen=True, slots=True)
class Levels:
    """Card-hours at the five levels."""

    installed: Decimal
    offered: Decimal
    sold: Decimal
    allocated: Decimal
    active: Decimal

    def __add__(self, other: Levels) -> Levels:
        return Levels(
            self.installed + other.installed,
            self.offered + other.offered,
            self.sold + other.sold,
            self.allocated + other.allocated,
            self.active + other.active,
        )

    @property
    def active_share(self) -> Decimal | None:
        """Active card-hours as a share of the installed ones; ``None`` where nothing is installed."""
        return self.active / self.installed if self.installed else None


NOTHING = Levels(*[Decimal(0)] * 5)


@dataclass(frozen=True, slots=True)
class SiteUtilisation:
    site_id: int
    site: str
    hub: str
    country: str
    levels: Levels


@dataclass(frozen=True, slots=True)
class Utilisation:
    """The cascade over ``[start, end)``: by site, and summed by hub, by nation and in all."""

    start: datetime
    end: datetime
    sites: Sequence[SiteUtilisation]
    hubs: Mapping[str, Levels]
    nations: Mapping[str, Levels]
    total: Levels


def default_window(*, now: datetime, hours: int = 24) -> tuple[datetime, datetime]:
    """The last full hours, at most ``hours`` and not before the first run's horizon."""
    end = floor_hour(now)
    first = MarketRun.objects.order_by("pk").values_list("opened_at", flat=True).first()
    start = end - hours * HOUR
    return (max(start, floor_hour(first)) if first else start), end


def utilisation(viewer: Viewer, *, start: datetime, end: datetime, site: int | None = None) -> Utilisation:
    """The five levels of every site that the viewer may see, its own, or all for auditors; or of one."""
    sites = [_site(row) for row in _rows(viewer, start, end, site)]
    return Utilisation(
        start=start,
        end=end,
        sites=sites,
        hubs=_sum_by(sites, lambda site: site.hub),
        nations=_sum_by(sites, lambda site: site.country),
        total=sum((site.levels for site in sites), NOTHING),
    )


@dataclass(frozen=True, slots=True)
class Activity:
    """How much the exchange has done so far, in counts that name nobody."""

    runs_committed: int
    agreements: int
    deliveries_active: int
    readings: int
    charges: int
    invoice_lines: int


def activity() -> Activity:
    return Activity(
        runs_committed=MarketRun.objects.filter(state=MarketRun.State.COMMITTED).count(),
        agreements=Agreement.objects.count(),
        deliveries_active=Delivery.objects.filter(state=DeliveryState.ACTIVE).count(),
        readings=MeteredHour.objects.aggregate(events=Sum("readings"))["events"] or 0,
        charges=Charge.objects.count(),
        invoice_lines=Line.objects.filter(document__kind=Document.Kind.INVOICE).count(),
    )


def _rows(viewer: Viewer, start: datetime, end: datetime, site: int | None) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            LEVELS_BY_SITE,
            {
                "start": start,
                "end": end,
                "allocated": Meter.ALLOCATED,
                "active": Meter.ACTIVE,
                "site": site,
                "everything": viewer.sees_everything,
                "owners": viewer.organisations_with(Capability.READ),
            },
        )
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


def _site(row: tuple[object, ...]) -> SiteUtilisation:
    pk, site_en, site_zh, hub_en, hub_zh, country, installed, offered, sold, allocated, active = row
    chinese = (get_language() or "").startswith("zh")
    return SiteUtilisation(
        site_id=int(str(pk)),
        site=str(site_zh if chinese else site_en),
        hub=str(hub_zh if chinese else hub_en),
        country=str(country),
        levels=Levels(
            installed=Decimal(str(installed)),
            offered=Decimal(str(offered)),
            sold=Decimal(str(sold)),
            allocated=Decimal(str(allocated)) / SECONDS_AN_HOUR,
            active=Decimal(str(active)) / SECONDS_AN_HOUR,
        ),
    )


def _sum_by(sites: Iterable[SiteUtilisation], key: Callable[[SiteUtilisation], str]) -> dict[str, Levels]:
    sums: dict[str, Levels] = {}
    for site in sites:
        sums[key(site)] = sums.get(key(site), NOTHING) + site.levels
    return sums
