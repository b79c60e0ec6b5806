"""What the power of a site is, hour by hour: told by files and over the API, superseded, never lost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts.models import AuditEvent, Scope
from marketplace.energy import services
from marketplace.energy.files import lines_of
from marketplace.energy.models import Basis, EnergyBatch, EnergyHour
from marketplace.energy.selectors import power_of
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.supply.models import Site
from tests.cast import Cast, bearer
from tests.energy.builders import HEAD, an_hour, grid_by_hour, told
from tests.factories import HOUR, START, make_site

GOOD = "2026-03-02T08:00Z,1.25,612.5,0.2,0.1,0.05,yes,0.35,CNY\n"


@pytest.fixture
def site(cast: Cast, now: datetime) -> Site:
    return make_site(cast.owner)


def test_an_hour_that_nobody_told_counts_at_the_year_and_says_so(
    cast: Cast, site: Site, now: datetime
) -> None:
    told(cast, site, [an_hour(START, grid=Decimal(300))], now)

    first, second = power_of(site, START, START + 2 * HOUR)

    assert (first.basis, first.grid, first.is_hourly) == ("forecast", Decimal(300), True)
    assert (second.basis, second.grid, second.is_hourly) == (Basis.ANNUAL, site.region.grid_carbon, False)
    assert (second.pue, second.certificate) == (site.pue, site.renewable_share)


def test_what_is_told_later_counts_and_what_was_told_stays(cast: Cast, site: Site, now: datetime) -> None:
    earlier = told(cast, site, grid_by_hour(START, [300, 301]), now)
    later = told(cast, site, grid_by_hour(START, [400]), now)

    assert [(each.grid, each.batch) for each in power_of(site, START, START + 2 * HOUR)] == [
        (400, later.pk),
        (301, earlier.pk),
    ]
    assert EnergyHour.objects.filter(batch=earlier).count() == 2
    assert AuditEvent.objects.filter(action="energy.told").count() == 2


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_keeps_every_version(cast: Cast, site: Site, now: datetime, change: str) -> None:
    told(cast, site, [an_hour(START)], now)
    for rows in (EnergyHour.objects.all(), EnergyBatch.objects.all()):
        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            rows._raw_delete(rows.db) if change == "delete" else rows.update(site=site)


def test_the_database_refuses_an_hour_in_the_batch_of_another_site(
    cast: Cast, site: Site, now: datetime
) -> None:
    batch = told(cast, site, [an_hour(START)], now)
    other = make_site(cast.other_owner, name_en="Site 2")
    with pytest.raises(DatabaseError, match="another site"):
        EnergyHour.objects.create(batch=batch, site=other, **an_hour(START + HOUR))


def test_what_is_carbon_where_and_as_supplied(cast: Cast, site: Site, now: datetime) -> None:
    figures = {
        "grid": Decimal(600),
        "direct": Decimal("0.25"),
        "certificate": Decimal("0.5"),
        "mix": Decimal("0.1"),
    }
    told(cast, site, [an_hour(START, **figures)], now)

    (power,) = power_of(site, START, START + HOUR)

    assert (power.located, power.supplied, power.renewable_share) == (450, 150, Decimal("0.85"))


def test_each_wrong_line_says_what_is_wrong_with_which_column(now: datetime) -> None:
    lines = lines_of(
        HEAD
        + GOOD
        + "2026-03-02T08:30Z,1.25,612.5,,,,,,\n"
        + "2026-03-02T09:00Z,0.9,many,,,,,,\n"
        + "2026-03-02T10:00Z,1.2,600,0.6,0.6,,,,\n"
        + "2026-03-02T11:00Z,1.2,600,,,,,0.35,\n"
        + GOOD,
        now,
    )

    assert [(line.number, sorted(line.problems)) for line in lines] == [
        (2, []),
        (3, ["hour"]),
        (4, ["grid", "pue"]),
        (5, ["mix"]),
        (6, ["tariff"]),
        (7, ["hour"]),
    ]
    assert "line 2" in lines[-1].problems["hour"]


@pytest.mark.parametrize(("text", "problem"), [("hour,pue\n", "grid"), (HEAD, "between 1 and"), ("", "hour")])
def test_a_file_that_is_none_is_refused(text: str, problem: str, now: datetime) -> None:
    with pytest.raises(InvalidInput, match=problem):
        lines_of(text, now)


def test_a_file_counts_once_it_is_confirmed_and_once_only(cast: Cast, site: Site, now: datetime) -> None:
    viewer = cast.viewer_of(cast.owner_trader)
    text = HEAD + GOOD + "2026-03-02T09:00Z,0.9,600,,,,,,\n"
    file = services.open_file(viewer=viewer, site=site, name="m.csv", basis="metered", text=text, now=now)
    assert not EnergyHour.objects.exists()

    with pytest.raises(services.FileNotReady, match="1 lines are wrong"):
        services.confirm(viewer=viewer, file=file, left_out=False, now=now)
    batch = services.confirm(viewer=viewer, file=file, left_out=True, now=now)

    assert services.confirm(viewer=viewer, file=file, left_out=True, now=now) == batch
    hour = EnergyHour.objects.get()
    assert (hour.grid, hour.surplus, hour.tariff, hour.currency) == (
        Decimal("612.5"),
        True,
        Decimal("0.35"),
        "CNY",
    )
    assert (batch.source, batch.name, batch.basis) == ("file", "m.csv", "metered")


def test_only_who_trades_for_the_owner_tells(cast: Cast, site: Site, now: datetime) -> None:
    origin = services.Provenance("api", "f", "forecast", b"f")
    for user in (cast.owner_viewer, cast.buyer_trader, cast.operator):
        with pytest.raises(NotAllowed):
            services.tell(
                viewer=cast.viewer_of(user), site=site, origin=origin, hours=[an_hour(START)], now=now
            )


@pytest.mark.django_db
def test_a_program_tells_hours_and_sending_them_twice_tells_them_once(
    cast: Cast, site: Site, client: Client, now: datetime
) -> None:
    hours = [{"hour": (START + n * HOUR).isoformat(), "pue": "1.2", "grid": str(400 + n)} for n in range(3)]
    body: dict[str, Any] = {"name": "grid operator", "basis": "forecast", "hours": hours}
    headers = {"Idempotency-Key": "e1"} | bearer(cast.token(cast.owner, Scope.TRADE))
    path = f"/api/v1/sites/{site.pk}/energy"

    first = client.post(path, body, content_type="application/json", headers=headers)
    again = client.post(path, body, content_type="application/json", headers=headers)
    wrong = client.post(
        path,
        body | {"hours": [*hours, hours[0]]},
        content_type="application/json",
        headers=headers | {"Idempotency-Key": "e2"},
    )
    read = client.get(path, {"start": START.isoformat(), "hours": 4}, headers=headers).json()

    assert (first.status_code, again.status_code, wrong.status_code) == (201, 201, 422)
    assert first.content == again.content
    assert EnergyHour.objects.count() == 3
    assert [(each["grid"], each["basis"]) for each in read["hours"]][:3] == [
        ("400.000", "forecast"),
        ("401.000", "forecast"),
        ("402.000", "forecast"),
    ]
    assert read["hours"][3]["basis"] == "annual"


def test_the_page_shows_what_rests_on_the_year_and_the_file_what_is_wrong(
    cast: Cast, site: Site, client: Client, now: datetime
) -> None:
    told(cast, site, grid_by_hour(now.replace(minute=0, second=0, microsecond=0), [100, 90]), now)
    client.force_login(cast.owner_trader)

    page = client.get(f"/sites/{site.pk}/energy/").content.decode()
    assert "The greenest hour of the next seven days has <strong>90" in page
    assert page.count("annual, declared") == 166

    answer = client.post(
        f"/sites/{site.pk}/energy/file/", {"text": HEAD + GOOD + "x,1,1\n", "basis": "metered"}
    )
    preview = client.get(answer["Location"]).content.decode()
    assert "1 line is wrong" in preview
    exported = client.get(f"/sites/{site.pk}/energy.csv").content.decode()
    assert len(exported.splitlines()) == 169
    assert not [line for line in lines_of(exported, now) if line.problems]
