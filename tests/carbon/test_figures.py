"""Energy and carbon of agreements: expected by what was known when they were concluded, then metered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Scope
from billing.metering.models import Meter
from marketplace.audit.carbon import services
from marketplace.audit.carbon.figures import expected, metered
from marketplace.audit.carbon.models import Certificate, CertificateUse
from marketplace.energy.services import Provenance
from marketplace.energy.services import tell as tell_now
from marketplace.errors import NotAllowed
from tests.billing.builders import LONG_AFTER, START
from tests.carbon.scenes import agreement_of, certificate, count, delivered, tell
from tests.cast import Cast, bearer
from tests.energy.builders import an_hour

pytestmark = pytest.mark.django_db


def test_expected_is_the_design_power_at_each_hours_pue_and_carbon(cast: Cast, now: datetime) -> None:
    figures = expected(agreement_of(delivered(cast)))

    assert figures is not None
    hours = [(each.wh, each.located, each.contracted, each.basis) for each in figures.hours]
    assert hours == [
        (6_720, 6_720 * 600, 6_720 * 600, "forecast"),
        (6_720, 6_720 * 450, 6_720 * 150, "forecast"),
        (8_400, 8_400 * 550, 8_400 * 550, "annual"),
        (6_720, 0, 0, "forecast"),
    ]
    assert figures.kwh == Decimal("28.56")
    assert figures.located_kg == Decimal("11.676")
    assert figures.annual_hours == 1


def test_what_is_told_afterwards_changes_what_was_metered_and_not_what_was_expected(
    cast: Cast, now: datetime
) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    before = expected(agreement_of(delivery))
    viewer = cast.viewer_of(cast.owner_trader)
    origin = Provenance("api", "metered", "metered", b"later")
    later = [an_hour(START, grid=Decimal(100))]
    tell_now(viewer=viewer, site=delivery.site, origin=origin, hours=later, now=LONG_AFTER)

    assert expected(agreement_of(delivery)) == before
    figures = metered(agreement_of(delivery))
    assert figures is not None
    assert [(each.wh, each.located, each.basis) for each in figures.hours] == [(6_000, 600_000, "metered")]


def test_energy_readings_count_and_active_time_where_there_are_none(cast: Cast, now: datetime) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    count(delivery, 0, Meter.ACTIVE, 8 * 3_600)
    count(delivery, 1, Meter.ACTIVE, 4 * 3_600)

    figures = metered(agreement_of(delivery))

    assert figures is not None
    assert [(each.wh, each.estimated) for each in figures.hours] == [(6_000, False), (3_360, True)]
    # 0.25 by the direct line; certificates that the site declares count for nothing until they are matched.
    assert [(each.located, each.contracted) for each in figures.hours] == [
        (6_000 * 600, 6_000 * 600),
        (3_360 * 450, 3_360 * 450),
    ]
    assert figures.estimated_hours == 1


def test_without_a_design_power_nothing_is_made_up(cast: Cast, now: datetime) -> None:
    delivery = delivered(cast, watts=None)
    count(delivery, 0, Meter.ENERGY, 5_000)
    assert expected(agreement_of(delivery)) is None
    assert metered(agreement_of(delivery)) is not None
    count(delivery, 1, Meter.ACTIVE, 3_600)
    assert metered(agreement_of(delivery)) is None


def test_certificates_cover_the_hour_they_are_of_and_no_more_than_was_drawn(
    cast: Cast, now: datetime
) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    count(delivery, 1, Meter.ENERGY, 1_000)
    viewer = cast.viewer_of(cast.owner_trader)
    given = [certificate(1, wh=4_000), certificate(11, wh=9_000), certificate(21, wh=500, hour=1)]
    services.register(viewer=viewer, site=delivery.site, certificates=given, now=LONG_AFTER)

    uses = services.match(viewer=viewer, site=delivery.site, now=LONG_AFTER)

    assert [each.wh for each in uses] == [4_000, 2_000, 500]
    assert services.match(viewer=viewer, site=delivery.site, now=LONG_AFTER) == []
    figures = metered(agreement_of(delivery))
    assert figures is not None
    assert [(each.located, each.contracted) for each in figures.hours] == [
        (6_000 * 600, 0),
        (1_200 * 450, (1_200 * 3 // 4 - 500) * 600),
    ]


def test_a_serial_number_is_registered_once_whoever_holds_it(cast: Cast, now: datetime) -> None:
    site = delivered(cast).site
    viewer = cast.viewer_of(cast.owner_trader)
    services.register(viewer=viewer, site=site, certificates=[certificate(1)], now=now)
    with pytest.raises(services.SerialTaken):
        services.register(viewer=viewer, site=site, certificates=[certificate(50), certificate(10)], now=now)
    assert Certificate.objects.count() == 1


def test_only_who_trades_for_the_owner_registers_and_matches(cast: Cast, now: datetime) -> None:
    site = delivered(cast).site
    for user in (cast.owner_viewer, cast.buyer_trader, cast.auditor):
        viewer = cast.viewer_of(user)
        with pytest.raises(NotAllowed):
            services.register(viewer=viewer, site=site, certificates=[certificate()], now=now)
        with pytest.raises(NotAllowed):
            services.match(viewer=viewer, site=site, now=now)


def test_both_parties_read_the_same_on_the_page_in_the_file_and_over_the_api(
    cast: Cast, client: Client, now: datetime
) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    path = f"/agreements/{delivery.agreement_id}/carbon/"
    for user in (cast.owner_viewer, cast.buyer_viewer):
        client.force_login(user)
        page = client.get(path).content.decode()
        assert "<strong>28.6" in page
        assert "11.68 kg CO₂ location-based" in page
    lines = b"".join(client.get(path, {"format": "csv"})).decode().splitlines()
    assert len(lines) == 1 + 4 + 1
    headers = bearer(cast.token(cast.buyer, Scope.READ))
    told = client.get(f"/api/v1/agreements/{delivery.agreement_id}/carbon", headers=headers).json()
    assert told["expected"]["kwh"] == "28.56"
    assert Decimal(told["expected"]["located_kg"]) == Decimal("11.676")
    assert told["metered"]["kwh"] == "6"
    assert Decimal(told["metered"]["hours"][0]["located"]) == 3_600_000


def test_a_program_registers_and_matches_certificates(cast: Cast, client: Client, now: datetime) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    tell(cast, delivery)
    given = {
        "issuer": "I-REC",
        "first_serial": 1,
        "last_serial": 10,
        "plant": "Yumen wind farm",
        "hour": START.isoformat(),
        "wh": 700,
    }
    headers = {"Idempotency-Key": "c1"} | bearer(cast.token(cast.owner, Scope.TRADE))
    path = f"/api/v1/sites/{delivery.site_id}/certificates"
    body = {"certificates": [given]}
    made = client.post(path, body, content_type="application/json", headers=headers)
    again = client.post(
        path, body, content_type="application/json", headers=headers | {"Idempotency-Key": "c2"}
    )
    assert (made.status_code, again.status_code) == (201, 409)
    assert again.json()["code"] == "certificate_serial_taken"
    uses = services.match(viewer=cast.viewer_of(cast.owner_trader), site=delivery.site, now=LONG_AFTER)
    assert [(each.wh, each.agreement_id) for each in uses] == [(700, delivery.agreement_id)]
    (listed,) = client.get(path, headers=headers).json()["results"]
    assert (listed["used_wh"], listed["last_serial"]) == (700, 10)
    assert CertificateUse.objects.count() == 1
