"""What flexible work saved, against the same work run at once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.test import Client

from marketplace.audit.carbon.models import Shifting
from marketplace.audit.carbon.shifting import at_once, footprints, is_flexible
from marketplace.catalogue.models import CarbonPrice
from marketplace.engine import HOURLY_FORMAT, SiteHours, Snapshot, clear
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.conftest import NOW
from tests.energy.builders import grid_by_hour, told
from tests.engine.markets import market, offer, request
from tests.factories import HOUR as AN_HOUR
from tests.factories import START, make_fleet, make_offer, make_request, make_site

NOON = (700_000,) * 8 + (100_000,) * 6 + (700_000,) * 10


def green_at_noon() -> Snapshot:
    """Two who may wait, one of whom would find no place at once, and one who may not."""
    return market(
        [offer(cards=16, asks=(20_000_000,) * 8 + (10_000_000,) * 16)],
        [
            request(1, amount=8, duration=4, limit=50),
            request(2, amount=8, duration=4, limit=15),
            request(3, amount=8, duration=4, deadline=4, limit=50),
        ],
        format=HOURLY_FORMAT,
        site_hours=(SiteHours(1, (), NOON),),
        carbon_price=10_000_000,
    )


def test_who_may_wait_is_flexible() -> None:
    flexible = [any(map(is_flexible, each.alternatives)) for each in green_at_noon().requests]
    assert flexible == [True, True, False]


def test_at_once_is_the_earliest_start_at_the_same_offers() -> None:
    snapshot = green_at_noon()
    cut = at_once(snapshot)

    later = footprints(snapshot, clear(snapshot), {1, 2})
    sooner = footprints(cut, clear(cut), {1, 2})

    # 8 cards of 310 W for 4 hours, at 100 g and 10 an hour instead of 700 g and 20.
    assert (later[1].card_hours, later[1].wh) == (32, 9_920)
    assert later[1].milligrams == 9_920 * 100
    assert sooner[1].milligrams == 9_920 * 700
    assert sooner[1].paid > later[1].paid
    assert sooner.keys() == {1}


@pytest.mark.django_db(transaction=True)
def test_the_report_is_made_of_the_stored_snapshot_once(cast: Cast, client: Client) -> None:
    make_reference()
    site = make_site(cast.owner, renewable_share=Decimal(0))
    make_offer(make_fleet(site), cards=8, ask=["20"] * 8 + ["10"] * 16, hours=24)
    told(cast, site, grid_by_hour(START, [700] * 8 + [100] * 6 + [700] * 10), NOW)
    CarbonPrice.objects.create(per_tonne=Decimal(500), currency="CNY", valid_from=NOW, source="a test")
    make_request(cards=8, limit="50", deadline=START + 24 * AN_HOUR)
    run()

    for _ in range(2):
        call_command("shifting_report", last=1)

    report = Shifting.objects.get()
    assert (report.flexible, report.compared, report.only_later) == (1, 1, 0)
    assert report.milligrams_at_once == 7 * report.milligrams
    assert report.paid_at_once > report.paid
    client.force_login(cast.auditor)
    page = client.get("/audit/carbon/").content.decode()
    assert "85.7" in page
    lines = b"".join(client.get("/audit/carbon/", {"format": "csv"})).decode().splitlines()
    assert len(lines) == 2
