"""Hours of power for the demo's sites: invented, plausible, and named so in their provenance.

In the north-west the sun is at noon what coal is at night: the grid is cleaner, a direct line delivers, some
would be curtailed, and power is cheap. In the Yangtze delta the grid is at its worst in the evening. The
other sites tell nothing, so that the market also has sites at the figures they declare for a year.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.actors import Capability, Viewer, task_actor
from demo.draw import chance
from marketplace.clock import HOUR, floor_hour
from marketplace.energy.models import EnergyBatch
from marketplace.energy.services import Provenance, tell
from marketplace.supply.models import Site

DAYS = 21
SUNNY = frozenset({"cn-gansu", "cn-ningxia", "cn-inner-mongolia", "cn-xinjiang"})
PEAKY = frozenset({"cn-yangtze-delta"})
NAME = "Invented for the demo: a sunny north-west, evening peaks in the east"
CHINA_IS_AHEAD = 8
PEAK, VALLEY, NOON, USUAL = Decimal("0.68"), Decimal("0.31"), Decimal("0.18"), Decimal("0.49")
SURPLUS = 0.8
"""From this share of the strongest sun on, more is made than is drawn."""


def load_energy(*, now: datetime) -> int:
    """Tell the hours of the sites in these zones; how many sites that are."""
    sites = Site.objects.filter(region__zone__slug__in=SUNNY | PEAKY).select_related("region__zone")
    for site in sites.order_by("pk"):
        hours = list(_hours(site, floor_hour(now)))
        content = json.dumps(hours, default=str).encode()
        tell(
            viewer=_owner_of(site),
            site=site,
            origin=Provenance(EnergyBatch.Source.API, NAME, "forecast", content),
            hours=hours,
            now=now,
        )
    return len(sites)


def _owner_of(site: Site) -> Viewer:
    trade = frozenset({Capability.TRADE})
    return Viewer(actor=task_actor("demo.energy"), capabilities={site.owner_id: trade})


def _hours(site: Site, start: datetime) -> Iterator[dict[str, Any]]:
    sunny = site.region.zone.slug in SUNNY
    for number in range(DAYS * 24):
        hour = start + number * HOUR
        local = (hour.hour + CHINA_IS_AHEAD) % 24
        weather = chance("weather", site.region.slug, hour.date()).uniform(0.4, 1.0)
        yield {"hour": hour, **_power(site, local, _sun(local) * weather if sunny else 0.0, sunny=sunny)}


def _power(site: Site, local: int, sun: float, *, sunny: bool) -> dict[str, Any]:
    evening = 18 <= local < 22
    grid = float(site.region.grid_carbon) * (1 - 0.5 * sun) * (1.15 if evening else 1.0)
    direct = _share(0.4 * sun)
    certificate = min(site.renewable_share, _share(0.3))
    return {
        "pue": site.pue + Decimal("0.03") * (12 <= local < 17),
        "grid": Decimal(f"{min(grid, 9_999):.3f}"),
        "direct": direct,
        "certificate": certificate,
        "mix": min(_share(0.1 + 0.2 * sun), 1 - direct - certificate),
        "surplus": sun > SURPLUS,
        "tariff": _tariff(local, sunny=sunny),
        "currency": "CNY",
    }


def _sun(local: int) -> float:
    return max(0.0, math.sin(math.pi * (local - 6) / 12)) if 6 <= local <= 18 else 0.0


def _share(share: float) -> Decimal:
    return Decimal(f"{share:.6f}")


def _tariff(local: int, *, sunny: bool) -> Decimal:
    if 18 <= local < 22:
        return PEAK
    if sunny and 10 <= local < 16:
        return NOON
    return VALLEY if local < 8 else USUAL
