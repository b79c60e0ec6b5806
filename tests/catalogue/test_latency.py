from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from marketplace.catalogue.data.tables import load_regions, load_zones
from marketplace.catalogue.latency import (
    RegionPoint,
    UnknownCountryError,
    estimate,
    great_circle_km,
    round_trip_us,
)

POINTS = {
    region.slug: RegionPoint(region.slug, region.country, region.latitude, region.longitude)
    for region in load_regions()
}


@pytest.mark.parametrize(
    ("here", "there", "milliseconds"),
    [
        ("cn-shanghai", "cn-beijing", 28.7),
        ("cn-beijing", "cn-zhangjiakou", 6.05),
        ("cn-shanghai", "cn-guian", 40.9),
        ("de-frankfurt", "fr-paris", 11.6),
        ("us-nvirginia", "fr-paris", 88.6),
        ("us-oregon", "jp-tokyo", 112.5),
        ("jp-tokyo", "jp-osaka", 9.9),
        ("sg-singapore", "de-frankfurt", 156.1),
        ("za-johannesburg", "gb-london", 156.3),
        ("us-nvirginia", "cn-beijing", 225.3),
    ],
)
def test_worked_examples(here: str, there: str, milliseconds: float) -> None:
    assert round_trip_us(POINTS[here], POINTS[there]) == pytest.approx(milliseconds * 1000, rel=0.005)


def test_a_region_to_itself_takes_a_millisecond_and_a_metro_two() -> None:
    assert round_trip_us(POINTS["cn-shanghai"], POINTS["cn-shanghai"]) == 1_000
    assert round_trip_us(POINTS["cn-chengdu"], POINTS["cn-tianfu"]) == 2_000


def test_a_border_is_no_metro() -> None:
    near = estimate(POINTS["sg-singapore"], POINTS["my-johor"])
    assert near.distance_km < 50
    assert near.microseconds > 2_000


def test_the_band_is_wider_where_mainland_china_is_one_end() -> None:
    assert estimate(POINTS["cn-shanghai"], POINTS["jp-tokyo"]).route.startswith("mainland China")
    for there, share in (("jp-tokyo", 0.25), ("cn-beijing", 0.25)):
        found = estimate(POINTS["cn-shanghai"], POINTS[there])
        assert found.upper - found.microseconds == pytest.approx(found.microseconds * share, abs=1)
    found = estimate(POINTS["jp-tokyo"], POINTS["sg-singapore"])
    assert found.microseconds - found.lower == pytest.approx(found.microseconds * 0.1, abs=1)


def test_every_pair_of_regions_has_a_route_and_both_ways_take_the_same() -> None:
    for here, there in combinations_with_replacement(POINTS.values(), 2):
        there_and_back = estimate(here, there)
        assert there_and_back == estimate(there, here)
        # Nothing is faster than light in straight fibre.
        assert there_and_back.microseconds >= 2_000 * great_circle_km(here, there) / 199.87


def test_a_country_without_a_route_class_is_an_error() -> None:
    nowhere = RegionPoint("xx-nowhere", "XX", POINTS["cn-beijing"].latitude, POINTS["cn-beijing"].longitude)
    with pytest.raises(UnknownCountryError, match="XX"):
        round_trip_us(nowhere, POINTS["cn-shanghai"])


def test_every_region_lies_in_a_zone_of_its_jurisdiction() -> None:
    zones = {zone.slug: zone for zone in load_zones()}
    for region in load_regions():
        assert zones[region.zone].jurisdiction == region.jurisdiction
    assert {zone.slug for zone in zones.values()} == {region.zone for region in load_regions()}


def test_a_city_of_demand_belongs_to_the_nearest_hub() -> None:
    zones = {region.slug: region.zone for region in load_regions()}
    assert zones["cn-wuhan"] == "cn-yangtze-delta"
    assert zones["cn-xian"] == "cn-gansu"
    assert zones["cn-shenzhen"] == "cn-greater-bay"
    assert zones["cn-hami"] == "cn-xinjiang"
