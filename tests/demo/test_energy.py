"""The demo's hours of power: plausible, told through the service, and named as invented."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from demo.energy import DAYS, load_energy
from marketplace.clock import floor_hour
from marketplace.energy.models import EnergyBatch, EnergyHour
from marketplace.energy.selectors import power_of
from tests.cast import Cast
from tests.factories import HOUR, make_region, make_site, make_zone

pytestmark = pytest.mark.django_db


def test_noon_is_greener_and_cheaper_in_the_north_west_and_the_evening_is_worst(
    cast: Cast, now: datetime
) -> None:
    there = make_zone("cn-gansu")
    site = make_site(cast.owner, make_region("cn-qingyang", zone=there), renewable_share=Decimal("0.95"))
    make_site(cast.other_owner, make_region(), name_en="Elsewhere")

    assert load_energy(now=now) == 1

    batch = EnergyBatch.objects.get()
    assert "Invented" in batch.name
    assert EnergyHour.objects.count() == DAYS * 24
    by_hour = {each.hour: each for each in power_of(site, floor_hour(now), floor_hour(now) + 48 * HOUR)}
    tomorrow = datetime(now.year, now.month, now.day + 1, tzinfo=UTC)
    night, noon, evening = (by_hour[tomorrow + hours * HOUR] for hours in (-5, 4, 11))
    assert noon.grid < night.grid < evening.grid
    assert noon.supplied < night.supplied
    assert noon.direct > night.direct == 0
    assert noon.tariff is not None
    assert night.tariff is not None
    assert noon.tariff < night.tariff
    assert all(each.renewable_share <= 1 for each in by_hour.values())
