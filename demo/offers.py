"""What of each fleet is for sale, when, and for how much.

An ask is the model's published price times an idle discount of the fleet: capacity that would stand
idle is sold for less than capacity made to order. Six offers in ten ask less by night, local time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from demo.draw import between, chance, pick
from demo.pricing import PriceList, money
from demo.specs import FleetSpec, OfferSpec, SiteSpec

WINDOW_HOURS = 28 * 24
NIGHT = range(22, 32)
"""Local hours of the night, 22:00 to 08:00; hours after midnight count from 24."""

MINIMUM_HOURS = {1: 55, 2: 15, 4: 15, 8: 10, 24: 5}
NOTICE_MINUTES = {15: 10, 30: 25, 60: 35, 240: 20, 1440: 10}


def offers(
    fleets: Iterable[FleetSpec], sites: Mapping[str, SiteSpec], prices: PriceList, start: datetime
) -> tuple[OfferSpec, ...]:
    """Offers of all fleets from ``start``, a full hour. Nine fleets in ten have something to sell."""
    return tuple(offer for fleet in fleets for offer in _of_fleet(fleet, sites[fleet.site], prices, start))


def _of_fleet(fleet: FleetSpec, site: SiteSpec, prices: PriceList, start: datetime) -> Iterator[OfferSpec]:
    rng = chance("offers", fleet.slug)
    if rng.random() < 0.1:
        return
    idle = max(1, int(fleet.cards // fleet.node_size * between(rng, "0.35", "0.95", "0.75")))
    parts = [idle // 2, idle - idle // 2] if idle >= 4 and rng.random() < 0.2 else [idle]
    discount = between(rng, "0.50", "0.95", "0.70")
    for number, nodes in enumerate(parts, start=1):
        ask = money(prices.of(fleet.model, site.currency) * (discount + Decimal("0.06") * (number - 1)))
        yield _offer(rng, fleet, site, (number, nodes * fleet.node_size), ask, start)


def _offer(
    rng: random.Random,
    fleet: FleetSpec,
    site: SiteSpec,
    part: tuple[int, int],
    ask: Decimal,
    start: datetime,
) -> OfferSpec:
    first, hours = _window(rng)
    hourly = _by_night(rng, ask, start + timedelta(hours=first), hours, site) if rng.random() < 0.6 else ()
    return OfferSpec(
        slug=f"{fleet.slug}-o{part[0]}",
        fleet=fleet.slug,
        cards=part[1],
        first_hour=first,
        hours=hours,
        currency=site.currency,
        ask=ask,
        hourly_asks=hourly,
        lot=fleet.node_size if rng.random() < 0.4 else 1,
        minimum_hours=pick(rng, MINIMUM_HOURS),
        notice_minutes=pick(rng, NOTICE_MINUTES),
    )


def _window(rng: random.Random) -> tuple[int, int]:
    """Most offers run for four weeks at once; some begin later or end sooner."""
    if rng.random() < 0.8:
        return 0, WINDOW_HOURS
    first = rng.randrange(0, 72)
    return first, rng.randrange(7 * 24, WINDOW_HOURS - first + 1)


def _by_night(
    rng: random.Random, ask: Decimal, begins: datetime, hours: int, site: SiteSpec
) -> tuple[Decimal, ...]:
    night = between(rng, "0.65", "0.92", "0.80")
    local = begins + timedelta(hours=float(site.utc_offset_hours))
    asks = {False: ask, True: money(ask * night)}
    return tuple(asks[_is_night((local + timedelta(hours=hour)).hour)] for hour in range(hours))


def _is_night(hour: int) -> bool:
    return hour in NIGHT or hour + 24 in NIGHT
