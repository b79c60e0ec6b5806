"""Hours that were told reach the clearing, and flexible work is moved to the green ones."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from marketplace.catalogue.models import CarbonPrice, ProfileVersion
from marketplace.clearing import snapshot
from marketplace.engine import HOURLY_FORMAT, SNAPSHOT_FORMAT, Snapshot, clear, verify
from marketplace.supply.models import Offer
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.conftest import NOW
from tests.energy.builders import an_hour, grid_by_hour, told
from tests.factories import HOUR, START, make_fleet, make_offer, make_request, make_site

pytestmark = pytest.mark.django_db
NOON = [700] * 8 + [90] * 6 + [700] * 10


@pytest.fixture
def offer(cast: Cast, now: datetime) -> Offer:
    make_reference()
    return make_offer(make_fleet(make_site(cast.owner, renewable_share=Decimal(0))), cards=8, hours=24)


def market() -> Snapshot:
    profiles = ProfileVersion.objects.get()
    return snapshot.build(horizon_start=START, slots=24, base_currency="CNY", profiles=profiles, now=NOW)


def starts() -> list[int]:
    """The first slots of what the engine places, and the verifier agrees."""
    built = market()
    result = clear(built)
    verify(built, result)
    return [each.first_slot for each in result.placements]


def test_a_market_of_which_nobody_told_an_hour_is_as_it_always_was(offer: Offer) -> None:
    assert (market().format, market().site_hours) == (SNAPSHOT_FORMAT, ())


def test_told_hours_are_in_the_snapshot_and_the_others_as_declared(cast: Cast, offer: Offer) -> None:
    site = offer.fleet.site
    green = an_hour(START + 2 * HOUR, grid=Decimal("600.001"), direct=Decimal("0.5"), mix=Decimal("0.1"))
    told(cast, site, [green], NOW)

    built = market()

    (hours,) = built.site_hours
    year = built.sites[0].carbon
    assert (built.format, hours.site) == (HOURLY_FORMAT, site.pk)
    assert hours.carbon == (year, year, 300_001, *[year] * 21)
    assert hours.renewable_share == (0, 0, 600_000, *[0] * 21)


def test_what_asks_for_clean_hours_is_placed_in_them(cast: Cast, offer: Offer) -> None:
    told(cast, offer.fleet.site, grid_by_hour(START, NOON), NOW)
    make_request(
        cards=8, limit="50", alternatives=[{"hours": 4, "amount": Decimal(8), "carbon": Decimal(100)}],
        deadline=START + 24 * HOUR,
    )  # fmt: skip
    (start,) = starts()
    assert 8 <= start <= 10


def test_with_a_carbon_price_what_may_wait_waits_for_noon(cast: Cast, offer: Offer) -> None:
    told(cast, offer.fleet.site, grid_by_hour(START, NOON), NOW)
    CarbonPrice.objects.create(per_tonne=Decimal(500), currency="CNY", valid_from=NOW, source="a test")
    make_request(cards=8, limit="50", deadline=START + 24 * HOUR)
    (start,) = starts()
    assert 8 <= start <= 10


@pytest.mark.parametrize(("green_limit", "hour"), [("12", 8), ("10", 0)])
def test_a_buyer_prefers_green_hours_by_an_alternative_that_is_worth_more(
    cast: Cast, offer: Offer, green_limit: str, hour: int
) -> None:
    """Green hours cost 0.50 more than the first ones: they are taken if they are worth more than that."""
    told(cast, offer.fleet.site, grid_by_hour(START, NOON), NOW)
    asks = [Decimal(10)] * 8 + [Decimal("10.5")] * 6 + [Decimal(11)] * 10
    Offer.objects.filter(pk=offer.pk).update(asks=asks)
    shape = {"hours": 4, "amount": Decimal(8)}
    green = shape | {"limit": Decimal(green_limit) + 1, "carbon": Decimal(100)}
    make_request(alternatives=[green, shape | {"limit": Decimal(11)}], deadline=START + 24 * HOUR)
    (start,) = starts()
    assert start in ({8, 9, 10} if hour == 8 else range(5))
