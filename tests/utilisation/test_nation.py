"""The national view, and the bulletin."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from marketplace.audit.utilisation.map import map_of
from marketplace.audit.utilisation.models import Bulletin
from marketplace.audit.utilisation.nation import latency_class
from marketplace.audit.utilisation.services import roll_up
from marketplace.catalogue.models import Region
from marketplace.clock import MarketClock
from tests.billing.builders import START, make_delivery
from tests.cast import Cast
from tests.factories import make_fleet, make_region, make_request, make_site, make_zone
from tests.pages_market.scenes import make_explanation, make_price, make_profile, make_run, signed_in
from tests.utilisation.scenes import LATER, ROLLER, read

pytestmark = pytest.mark.django_db
APRIL = datetime(2026, 4, 2, tzinfo=UTC)


@pytest.fixture
def scene(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub of the programme in the west that sells eight cards of eight, and one abroad that sells none."""
    monkeypatch.setattr(MarketClock, "now", lambda _: APRIL)
    run = make_run(opened_at=START, horizon_start=START, committed_at=START)
    west = make_region("cn-zhongwei", make_zone("cn-ningxia"), national_hub="Ningxia", kind=Region.Kind.BOTH)
    abroad = make_region(
        "sg-singapore", make_zone("sg", "USD"), country="SG", latitude=Decimal("1.3"), longitude=Decimal(104)
    )
    fleet = make_fleet(make_site(cast.owner, west), cards=8)
    make_profile(fleet.model, "2")
    make_fleet(make_site(cast.other_owner, abroad), cards=16)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, fleet=fleet)
    read(delivery, allocated=28_800, active=14_400)
    make_price(run, "12", model=fleet.model, zone=west.zone)
    make_explanation(run, make_request(cast.buyer, cards=5, hours=4), binding="memory")


def test_the_national_view_says_who_buys_where_and_what_found_nothing(cast: Cast, scene: None) -> None:
    roll_up(now=LATER, actor=ROLLER)

    page = signed_in(cast.auditor).get("/audit/nation/?hours=24")

    (_, inland), (_, foreign) = page.context["maps"]
    (tile,), (other,) = inland.tiles, foreign.tiles
    assert (tile.hub.name, tile.hub.price, tile.hub.currency, tile.hub.latency) == ("cn-ningxia", 6, "CNY", 1)
    assert dict(tile.bars)["sold"] == "130.0"
    assert other.hub.figures is not None
    assert other.hub.figures.offered == 0
    assert [(flow.jurisdiction, flow.hub.name, flow.card_hours) for flow in page.context["flows"]] == [
        ("CN", "cn-ningxia", 32)
    ]
    assert [(each.requests, each.card_hours, str(name)) for each, name in page.context["in_vain"]] == [
        (1, 20, "memory per card")
    ]
    assert "¥6.00/nP-h" in page.content.decode()


def test_owners_and_buyers_do_not_see_the_nation(cast: Cast, scene: None) -> None:
    for person in (cast.owner_admin, cast.buyer_admin):
        assert signed_in(person).get("/audit/nation/").status_code == 404


def test_a_round_trip_is_in_the_first_class_that_holds_it() -> None:
    times = (400, 1_000, 1_001, 5_000, 19_999, 20_001)
    assert [latency_class(each) for each in times] == [1, 1, 5, 5, 20, None]


def test_a_map_of_nothing_has_no_tiles() -> None:
    assert map_of([], []).tiles == []


def test_a_bulletin_is_the_same_twice_and_can_be_opened(cast: Cast, scene: None, tmp_path: Path) -> None:
    roll_up(now=APRIL, actor=ROLLER)

    call_command("bulletin", "2026-03", "--to", str(tmp_path / "one"), "--publish")
    call_command("bulletin", "2026-03", "--to", str(tmp_path / "two"))

    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    editions = ("en.html", "en.pdf", "zh.html", "zh.pdf")
    assert written == [f"cardhour-bulletin-2026-03-{name}" for name in editions]
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    html = (tmp_path / "one" / "cardhour-bulletin-2026-03-en.html").read_text()
    assert re.findall(r"Completeness: (.*?) of", html) == ["25.0\N{NARROW NO-BREAK SPACE}%"]
    client = signed_in(cast.buyer_viewer)
    published = Bulletin.objects.get()
    assert client.get("/audit/bulletins/").context["page"].object_list[0] == published
    answer = client.get(f"/audit/bulletins/{published.pk}/en.pdf")
    assert answer.content == (tmp_path / "one" / written[1]).read_bytes()
    assert answer.content.startswith(b"%PDF")
    assert client.get(f"/audit/bulletins/{published.pk}/fr.pdf").status_code == 404


def test_a_month_that_is_not_over_has_no_bulletin(cast: Cast, scene: None, tmp_path: Path) -> None:
    roll_up(now=APRIL - timedelta(days=5), actor=ROLLER)

    with pytest.raises(CommandError, match="2026-03 is not over"):
        call_command("bulletin", "2026-03", "--to", str(tmp_path))
