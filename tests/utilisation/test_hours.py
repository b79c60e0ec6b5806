"""Each step of the cascade, and what its loss is put down to."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from billing.metering.models import MeteredHour
from marketplace.audit.utilisation.models import FleetDay, FleetHour, FleetMonth, PlaceDay, PlaceHour
from marketplace.clearing.models import MarketRun, OfferOutcome
from marketplace.delivery.models import Suspension
from marketplace.supply.services import resize_fleet, withdraw_offer
from tests.billing.builders import HOUR, START, agent_of, make_delivery, rate_at, send
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_request, site_of
from tests.metering.scenes import correction
from tests.pages_market.scenes import make_explanation, make_profile
from tests.utilisation.scenes import LATER, hour_of, opened, read, rolled

pytestmark = pytest.mark.django_db
AN_HOUR_OF_EIGHT = 8 * 3600


def test_what_is_sold_and_busy_loses_nothing_but_its_idle_time(cast: Cast) -> None:
    opened()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    make_profile(delivery.agreement.allocation.offer.fleet.model, "1.5")
    read(delivery, allocated=28_800, active=20_000, energy=5_600)
    rate_at(LATER)

    rolled()

    row = hour_of(delivery)
    assert (row.installed, row.offered, row.sold, row.allocated, row.active) == (*[28_800] * 4, 20_000)
    assert (row.idle, row.energy_wh, row.energy_card_seconds) == (8_800, 5_600, 28_800)
    assert (row.np_allocated, row.np_active) == (Decimal(43_200), Decimal(30_000))
    assert (row.expected, row.arrived, row.charged, row.amount) == (2, 2, 28_800, 80)


def test_what_nobody_reported_is_not_known_and_not_idle(cast: Cast) -> None:
    opened()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    read(delivery, allocated=28_800)

    rolled()

    assert (hour_of(delivery).idle, hour_of(delivery).activity_unknown) == (0, 28_800)
    assert (hour_of(delivery).np_installed, hour_of(delivery).unrated) == (None, 28_800)
    assert hour_of(delivery).energy_wh is None
    silent = hour_of(delivery, 1)
    assert (silent.sold, silent.allocated, silent.unreported) == (28_800, 0, 28_800)
    assert (silent.expected, silent.arrived) == (2, 0)


def test_what_was_not_there_is_an_outage_and_what_its_buyer_ended_is_given_up(cast: Cast) -> None:
    opened()
    suspended = make_delivery(owner=cast.owner, buyer=cast.buyer)
    Suspension.objects.create(
        delivery=suspended, starts_at=START, ends_at=START + timedelta(minutes=15), reason="A node is down."
    )
    read(suspended, allocated=21_600, active=21_600)
    never = make_delivery(
        owner=cast.owner,
        buyer=cast.buyer,
        state="failed",
        active_from=None,
        failure="It is gone.",
        fault="owner",
    )
    ended = make_delivery(
        owner=cast.owner, buyer=cast.buyer, state="evicted", failure="Not paid.", fault="buyer",
        active_until=START + HOUR,
    )  # fmt: skip
    read(ended, allocated=28_800, active=28_800)

    rolled()

    assert (hour_of(suspended).outage, hour_of(suspended).unreported) == (7_200, 0)
    assert (hour_of(never).outage, hour_of(never).given_up, hour_of(never).expected) == (28_800, 0, 0)
    assert (hour_of(ended).given_up, hour_of(ended, 1).given_up) == (0, 28_800)


def test_what_is_unsold_is_put_down_to_what_its_run_says(cast: Cast) -> None:
    """Of 48 card-hours that were left over a lower ask would have sold 12; refused requests wanted 18."""
    opened()
    offer = make_offer(make_fleet(site_of(cast.owner), cards=12), cards=8, start=START, hours=6)
    run = MarketRun.objects.get()
    OfferOutcome.objects.create(run=run, offer=offer, free=48, sold=0, ask=Decimal(5), card_hours=12)
    make_explanation(run, make_request(cast.buyer, cards=6, hours=3), binding="memory")
    make_explanation(run, make_request(cast.buyer, cards=600, hours=3), binding="limit")
    unseen = make_offer(make_fleet(site_of(cast.owner)), cards=8, start=START, hours=6)

    rolled()

    row = FleetHour.objects.get(fleet=offer.fleet, starts_at=START)
    assert (row.not_offered, row.unsold_price, row.unsold_constraints, row.unsold_unasked) == (
        4 * 3600, 7_200, 10_800, 10_800,
    )  # fmt: skip
    assert FleetHour.objects.get(fleet=unseen.fleet, starts_at=START).unsold_unknown == AN_HOUR_OF_EIGHT


def test_late_and_corrected_readings_update_their_hours_and_every_sum(cast: Cast) -> None:
    opened()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    read(delivery, allocated=28_800)
    first = rolled()
    assert first == 4

    read(delivery, 1, allocated=28_800, now=LATER + HOUR)
    body = correction(
        delivery,
        "better",
        f"{delivery.pk}-0-allocated",
        seconds=3600,
        quantity=10_000,
        after=timedelta(hours=1),
    )
    send(agent_of(cast.owner), body, now=LATER + HOUR)
    rate_at(LATER + timedelta(minutes=10))

    assert rolled(LATER + timedelta(minutes=20)) == 2
    assert (hour_of(delivery).allocated, hour_of(delivery, 1).allocated) == (10_000, 28_800)
    for table in (FleetDay, FleetMonth, PlaceDay):
        assert table.objects.get().allocated == 38_800
    assert PlaceHour.objects.get(starts_at=START).allocated == 10_000


def test_withdrawn_offers_and_resized_fleets_update_what_they_touch(cast: Cast) -> None:
    opened()
    fleet = make_fleet(site_of(cast.owner), cards=16)
    offer = make_offer(fleet, cards=8, start=START, hours=24)
    rolled()

    viewer = cast.viewer_of(cast.owner_trader)
    withdraw_offer(viewer=viewer, offer=offer, now=START + 2 * HOUR)
    resize_fleet(viewer=viewer, fleet=fleet, cards=8, now=START + 3 * HOUR)
    rolled(LATER + timedelta(minutes=1))

    rows = FleetHour.objects.filter(fleet=fleet).order_by("starts_at")
    assert [row.offered for row in rows] == [28_800, 28_800, 0, 0]
    assert [row.installed for row in rows] == [57_600, 57_600, 57_600, 28_800]


def test_a_pass_without_changes_computes_nothing(cast: Cast) -> None:
    opened()
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    rolled()

    assert rolled() == 0


def test_the_command_names_what_differs_and_mends_it(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    opened()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    read(delivery, allocated=28_800, active=20_000)
    rolled()
    call_command("rebuild_utilisation")
    row = hour_of(delivery)
    row.sold, row.unsold_unknown = 0, 28_800
    row.allocated, row.unreported = 28_800, row.unreported
    row.excess = 28_800
    row.save()

    with pytest.raises(SystemExit):
        call_command("rebuild_utilisation")

    told = capsys.readouterr().err
    assert f"fleet_hour {row.fleet_id}" in told
    assert "sold is 0, not 28800" in told
    call_command("rebuild_utilisation", "--repair")
    assert hour_of(delivery).sold == 28_800


def test_a_reading_behind_the_back_of_its_hour_is_named(
    cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    opened()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    read(delivery, allocated=28_800)
    rolled()
    MeteredHour.objects.update(quantity=5)

    with pytest.raises(SystemExit):
        call_command("rebuild_utilisation")

    assert "its readings add up to 28800" in capsys.readouterr().err
