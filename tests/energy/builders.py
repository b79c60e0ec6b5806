"""Hours of energy as the tests tell them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplace.energy.models import EnergyBatch
from marketplace.energy.services import Provenance, tell
from marketplace.supply.models import Site
from tests.cast import Cast
from tests.factories import HOUR

HEAD = "hour,pue,grid,direct,certificate,mix,surplus,tariff,currency\n"


def an_hour(hour: datetime, **figures: Any) -> dict[str, Any]:
    plain = {
        "pue": Decimal("1.2"),
        "grid": Decimal(500),
        "direct": Decimal(0),
        "certificate": Decimal(0),
        "mix": Decimal(0),
        "surplus": False,
        "tariff": None,
        "currency": "",
    }
    return {"hour": hour, **plain, **figures}


def told(
    cast: Cast, site: Site, hours: Iterable[dict[str, Any]], now: datetime, name: str = "f"
) -> EnergyBatch:
    return tell(
        viewer=cast.viewer_of(cast.owner_trader),
        site=site,
        origin=Provenance("api", name, "forecast", name.encode()),
        hours=list(hours),
        now=now,
    )


def grid_by_hour(start: datetime, grid: Iterable[int]) -> list[dict[str, Any]]:
    return [an_hour(start + number * HOUR, grid=Decimal(each)) for number, each in enumerate(grid)]
