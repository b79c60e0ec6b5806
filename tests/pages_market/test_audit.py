from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.actors import task_actor
from accounts.models import Organisation
from billing.metering.hours import rebuild
from billing.metering.models import Meter, Reading
from billing.metering.partitions import make_missing, month_of
from marketplace.audit.utilisation.services import roll_up
from marketplace.clock import MarketClock
from marketplace.delivery.models import Delivery
from tests.billing.builders import make_delivery
from tests.cast import Cast
from tests.factories import HOUR, START
from tests.pages_market.scenes import make_run, queries_of, signed_in

pytestmark = pytest.mark.django_db

LEVELS = ("installed", "offered", "sold", "allocated", "active")


@pytest.fixture
def later(now: datetime, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Three full hours after the start of the deliveries, with a first run before them."""
    moment = START + 3 * HOUR + timedelta(minutes=20)
    monkeypatch.setattr(MarketClock, "now", lambda _: moment)
    make_run(opened_at=START - HOUR)
    return moment


def make_reading(
    delivery: Delivery, meter: Meter, quantity: int, *, slot: datetime = START, token: Any
) -> None:
    number = Reading.objects.count() + 1
    make_missing([month_of(slot)])
    Reading.objects.create(
        source="site/1",
        event_id=f"e{number}",
        delivery=delivery,
        meter=meter,
        slot=slot,
        starts_at=slot,
        ends_at=slot + HOUR,
        quantity=quantity,
        body="{}",
        token=token,
        received_at=slot + HOUR,
    )
    rebuild(delivery, now=slot + HOUR, actor=task_actor("a test"))


def make_metered(cast: Cast, owner: Organisation) -> Delivery:
    """Eight cards, two hours metered, half of the first one busy."""
    delivery = make_delivery(owner=owner, buyer=cast.buyer)
    token, _ = cast.api_token(owner, "agent")
    for hour in range(2):
        make_reading(delivery, Meter.ALLOCATED, 8 * 3600, slot=START + hour * HOUR, token=token)
    make_reading(delivery, Meter.ACTIVE, 4 * 3600, token=token)
    make_reading(delivery, Meter.ENERGY, 5600, token=token)
    return delivery


def added_up(now: datetime) -> None:
    roll_up(now=now, actor=task_actor("a test"))


def levels_of(figures: Any) -> dict[str, Decimal]:
    """Card-hours."""
    return {name: Decimal(getattr(figures, name)) / 3600 for name in LEVELS}


def test_the_page_and_the_api_give_the_same_figures(cast: Cast, later: datetime) -> None:
    make_metered(cast, cast.owner)
    make_metered(cast, cast.other_owner)
    added_up(later)
    client = signed_in(cast.auditor)

    page = client.get("/audit/")
    answer = client.get(page.context["api_url"])

    assert answer.status_code == 200
    api, found = answer.json(), page.context["found"]
    assert {name: Decimal(api["total"][name]) for name in LEVELS} == levels_of(found)
    shown = {int(row.key): levels_of(row.figures) for row in page.context["page"]}
    assert shown == {
        site["site_id"]: {name: Decimal(site["levels"][name]) for name in LEVELS} for site in api["sites"]
    }
    for name, groups in (("hubs", page.context["hub_rows"]), ("nations", page.context["nation_rows"])):
        assert {row.name: levels_of(row.figures) for row in groups} == {
            key: {level: Decimal(sums[level]) for level in LEVELS} for key, sums in api[name].items()
        }


def test_the_cascade_is_counted_from_what_happened(cast: Cast, later: datetime) -> None:
    make_metered(cast, cast.owner)
    added_up(later)

    page = signed_in(cast.auditor).get("/audit/")

    # Four hours since the first run: 32 installed; the offer and the agreement began an hour after it.
    assert levels_of(page.context["found"]) == {
        "installed": 32,
        "offered": 24,
        "sold": 24,
        "allocated": 16,
        "active": 4,
    }
    text = page.content.decode().replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "<strong>12.5 %</strong> of what is installed was active: 4 card-h of 32 card-h." in text
    assert "4 card-h were allocated to buyers and idle." in text


def test_owners_see_their_own_sites_and_buyers_nothing(cast: Cast, later: datetime) -> None:
    ours, theirs = make_metered(cast, cast.owner), make_metered(cast, cast.other_owner)
    added_up(later)

    def sites(user: object) -> list[int]:
        return sorted(int(row.key) for row in signed_in(user).get("/audit/").context["page"])  # type: ignore[arg-type]

    assert sites(cast.owner_viewer) == [ours.site_id]
    assert sites(cast.stranger) == [theirs.site_id]
    assert sites(cast.auditor) == sites(cast.operator) == sorted([ours.site_id, theirs.site_id])
    assert signed_in(cast.buyer_admin).get("/audit/").status_code == 404
    assert signed_in(None).get("/audit/")["Location"].startswith("/accounts/login/")


def test_before_the_first_hour_has_ended_there_is_nothing_to_count(cast: Cast, now: datetime) -> None:
    make_run(opened_at=now)

    assert "has not ended yet" in signed_in(cast.auditor).get("/audit/").content.decode()


def test_the_window_can_be_chosen(cast: Cast, later: datetime) -> None:
    make_metered(cast, cast.owner)
    added_up(later)
    client = signed_in(cast.auditor)

    page = client.get("/audit/?hours=1")
    last_hour, window = page.context["found"], page.context["window"]

    assert (window.start, window.end) == (START + 2 * HOUR, START + 3 * HOUR)
    assert last_hour.installed == 8 * 3600
    assert client.get("/audit/?hours=nonsense").context["window"].start == START - HOUR


def test_the_figures_can_be_had_as_csv(cast: Cast, later: datetime) -> None:
    make_metered(cast, cast.owner)
    added_up(later)

    answer = signed_in(cast.owner_finance).get("/audit/?format=csv")

    lines = b"".join(answer).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    assert lines[1].endswith("CN,32,24,24,16,4")


def test_the_dossier_of_a_site_says_what_the_overview_says(cast: Cast, later: datetime) -> None:
    delivery = make_metered(cast, cast.owner)
    make_metered(cast, cast.other_owner)
    added_up(later)
    client = signed_in(cast.auditor)
    overview = {int(row.key): row.figures for row in client.get("/audit/").context["page"]}

    page = client.get(f"/audit/sites/{delivery.site_id}/")

    assert page.context["found"] == overview[delivery.site_id]
    assert [row.pk for row in page.context["deliveries"]] == [delivery.pk]


def test_the_readings_of_a_dossier_add_up_to_its_levels(cast: Cast, later: datetime) -> None:
    delivery = make_metered(cast, cast.owner)
    added_up(later)

    page = signed_in(cast.owner_viewer).get(f"/audit/sites/{delivery.site_id}/?delivery={delivery.pk}")

    total = page.context["levels"]
    assert sum(row["allocated"] for row in page.context["usage"]) == total["allocated"] == 16
    assert sum(row.get("active", 0) for row in page.context["usage"]) == total["active"] == 4
    assert page.context["usage"][-1]["energy"] == Decimal("5.6")
    assert len(page.context["page"]) == 4


def test_only_its_owner_and_the_exchanges_people_read_a_dossier(cast: Cast, later: datetime) -> None:
    page = f"/audit/sites/{make_metered(cast, cast.owner).site_id}/"

    seen = {
        name: signed_in(getattr(cast, name)).get(page).status_code
        for name in ("owner_viewer", "auditor", "operator", "stranger", "buyer_admin")
    }

    assert list(seen.values()) == [200, 200, 200, 404, 404]


@pytest.mark.parametrize("address", ["/audit/", "/audit/sites/{site}/"])
def test_more_sites_and_readings_take_no_more_queries(address: str, cast: Cast, later: datetime) -> None:
    delivery = make_metered(cast, cast.owner)
    added_up(later)
    client = signed_in(cast.auditor)
    page = address.format(site=delivery.site_id)
    client.get(page)  # Of an auditor's looks only the first one in a while is written down.
    few = queries_of(client, page)
    for _ in range(6):
        make_metered(cast, cast.owner)
    token, _ = cast.api_token(cast.owner, "agent")
    for hour in range(3):
        make_reading(delivery, Meter.ALLOCATED, 1, slot=START + hour * HOUR, token=token)

    assert queries_of(client, page) == few <= 18


def test_the_window_of_an_anonymous_reader_is_not_even_computed(
    client: Client, later: datetime, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        client.get("/audit/")
