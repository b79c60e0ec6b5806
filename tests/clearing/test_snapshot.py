"""What the engine is told about the market."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.catalogue.models import ProfileVersion
from marketplace.clearing import snapshot
from marketplace.engine import Snapshot
from marketplace.supply.models import OfferHour
from tests.clearing.market import make_reference
from tests.conftest import NOW
from tests.factories import HOUR, START, make_offer, make_region, make_request

pytestmark = pytest.mark.django_db


def build(slots: int = 24) -> Snapshot:
    make_reference()
    return snapshot.build(
        horizon_start=START,
        slots=slots,
        base_currency="CNY",
        profiles=ProfileVersion.objects.get(),
        now=NOW,
    )


def test_sold_hours_are_not_free() -> None:
    offer = make_offer(cards=8, hours=3)
    OfferHour.objects.create(offer=offer, slot=START + HOUR, cards_offered=8, cards_sold=5)
    assert build().offers[0].free == (8, 3, 8)


def test_an_offer_is_cut_to_the_horizon_with_its_hourly_asks() -> None:
    make_offer(start=START - 2 * HOUR, hours=5, ask=["1", "2", "3", "4", "5"])
    (offer,) = build(slots=2).offers
    assert (offer.first_slot, offer.asks, len(offer.free)) == (0, (3_000_000, 4_000_000), 2)


def test_a_window_inside_the_horizon_keeps_its_place() -> None:
    make_offer(start=START + 3 * HOUR, hours=2, ask=["1", "2"])
    (offer,) = build().offers
    assert (offer.first_slot, offer.asks) == (3, (1_000_000, 2_000_000))


def test_an_offer_beyond_the_horizon_is_left_out() -> None:
    make_offer(start=START + 24 * HOUR)
    assert build(slots=24).offers == ()


def test_earliest_start_inside_an_hour_waits_for_the_next_full_one() -> None:
    make_request(start=START + timedelta(minutes=1), deadline=START + timedelta(hours=9, minutes=59))
    (alternative,) = build().requests[0].alternatives
    assert (alternative.earliest, alternative.deadline) == (1, 9)


def test_a_request_that_does_not_fit_into_the_horizon_waits() -> None:
    make_request(start=START + 22 * HOUR, hours=4)
    assert build(slots=24).requests == ()


def test_a_budget_is_spread_over_the_whole_and_rounded_down() -> None:
    make_request(alternatives=[{"amount": Decimal(7), "hours": 3, "limit": None, "budget": Decimal(100)}])
    assert build().requests[0].alternatives[0].limit == 4_761_904


def test_what_a_buyer_needs_is_never_rounded_away() -> None:
    make_request(
        alternatives=[
            {
                "unit": "np",
                "amount": Decimal("0.000001"),
                "memory_gb": Decimal("79.99"),
                "carbon": Decimal("400.999"),
                "renewable_share": Decimal("0.333333"),
                "near": make_region(),
                "round_trip_ms": Decimal("20.5"),
            }
        ]
    )
    (alternative,) = build().requests[0].alternatives
    assert (alternative.amount, alternative.memory, alternative.carbon) == (1, 81_910, 400_999)
    assert alternative.renewable_share == 333_333
    assert alternative.latency is not None
    assert alternative.latency.microseconds == 20_500


def test_a_sites_carbon_is_the_grids_for_what_is_not_renewable() -> None:
    make_offer()
    assert build().sites[0].carbon == 330_000


def test_the_number_of_queries_does_not_grow_with_the_market() -> None:
    make_offer()
    make_request()
    with CaptureQueriesContext(connection) as few:
        build()
    for _ in range(5):
        make_offer()
        make_request()
    with CaptureQueriesContext(connection) as many:
        build()
    assert len(many) <= len(few)
