"""Plans of offers: what is drawn on a calendar, what comes of it, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import AuditEvent
from marketplace.errors import DomainError
from marketplace.supply import services
from marketplace.supply.models import Fleet, Offer, OfferBatch
from marketplace.supply.plan import Block, DayHours, Terms, copied_week, offers_of, planned_hours
from marketplace.supply.rules import OfferInput
from tests.cast import Cast
from tests.factories import HOUR, START, make_fleet, make_offer, make_site

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
DAY = DayHours(8, 22)
TERMS = Terms(lot=8, minimum_hours=1, notice_minutes=0)
MONTH = Block(date(2026, 3, 3), date(2026, 3, 31), 0, 24, 16, Decimal(9), Decimal(6))


def test_a_month_with_a_night_price_is_one_offer_with_an_ask_for_each_hour() -> None:
    (offer,) = offers_of(planned_hours([MONTH], SHANGHAI, DAY), TERMS)

    assert offer.starts_at == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert len(offer.asks) == 29 * 24
    assert offer.asks[:8] == (Decimal(6),) * 8
    assert offer.asks[8:22] == (Decimal(9),) * 14


def test_what_is_drawn_later_replaces_what_was_drawn_before() -> None:
    morning = Block(date(2026, 3, 4), date(2026, 3, 4), 6, 12, 8, Decimal(7))
    offers = offers_of(planned_hours([MONTH, morning], SHANGHAI, DAY), TERMS)

    assert [offer.cards for offer in offers] == [16, 8, 16]
    assert offers[1].asks == (Decimal(7),)
    assert offers[1].ends_at - offers[1].starts_at == 6 * HOUR


def test_the_day_on_which_clocks_change_has_the_hours_that_it_has() -> None:
    days = Block(date(2026, 3, 28), date(2026, 3, 30), 0, 24, 8, Decimal(5))
    assert len(planned_hours([days], BERLIN, DAY)) == 71


def test_a_week_is_copied_to_the_weeks_after_it_up_to_the_end_of_the_month() -> None:
    week = Block(date(2026, 3, 5), date(2026, 3, 6), 9, 17, 8, Decimal(5))
    copies = copied_week([week], date(2026, 3, 2), date(2026, 3, 26))

    assert [(copy.first_day.day, copy.last_day.day) for copy in copies] == [(12, 13), (19, 20), (26, 26)]


def test_a_block_is_read_back_as_it_was_written() -> None:
    assert Block.parse(str(MONTH)) == MONTH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-03_2026-03-02_0-24_16_9_",
        "2026-03-03_2026-03-04_0-25_16_9_",
        "2026-03-03_2026-03-04_0-24_16_NaN_",
        "2026-03-03_2026-03-04_0-24_16_x_",
        "0001-01-01_9999-12-31_0-24_16_9_",
    ],
)
def test_what_no_calendar_shows_is_no_block(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 anything that is not a block
        Block.parse(text)


@pytest.fixture
def fleet(cast: Cast, now: datetime) -> Fleet:
    return make_fleet(make_site(cast.owner), cards=64)


def an_offer(cards: int = 8, start: datetime = START) -> OfferInput:
    return OfferInput(cards, start, start + 24 * HOUR, (Decimal(9),))


def put_up(cast: Cast, fleet: Fleet, *offers: OfferInput, key: UUID | None = None) -> OfferBatch:
    return services.list_offers(
        viewer=cast.viewer_of(cast.owner_trader),
        owner=cast.owner,
        offers=[(fleet, offer) for offer in offers],
        key=key or uuid4(),
        now=START - HOUR,
    )


def test_confirming_twice_lists_once(cast: Cast, fleet: Fleet) -> None:
    key = uuid4()
    first, again = (put_up(cast, fleet, an_offer(), key=key) for _ in range(2))

    assert first == again
    assert Offer.objects.filter(batch=first).count() == 1
    assert AuditEvent.objects.filter(action="offer.created").count() == 1


def test_all_offers_are_listed_or_none(cast: Cast, fleet: Fleet) -> None:
    with pytest.raises(DomainError, match="cannot be listed"):
        put_up(cast, fleet, an_offer(60), an_offer(8))
    assert not Offer.objects.exists()
    assert not OfferBatch.objects.exists()


def test_the_cap_counts_what_is_added(cast: Cast, fleet: Fleet, settings: object) -> None:
    settings.MOST_OPEN_OFFERS = 2  # type: ignore[attr-defined]
    put_up(cast, fleet, an_offer(), an_offer())
    with pytest.raises(DomainError, match="at most 2 open offers"):
        put_up(cast, fleet, an_offer())


def test_nobody_lists_the_fleets_of_others(cast: Cast, fleet: Fleet) -> None:
    fleet.site = make_site(cast.other_owner)
    with pytest.raises(DomainError):
        put_up(cast, fleet, an_offer())


ADDRESS = "/offers/calendar/"
DRAWN = "2026-03-03_2026-03-31_0-24_16_9_6"


def query(fleet: Fleet, *blocks: str, **more: str) -> str:
    return (
        f"{ADDRESS}?{urlencode({'fleet': fleet.pk, 'block': blocks, 'month': '2026-03'} | more, doseq=True)}"
    )


def test_what_is_drawn_is_kept_in_the_address(cast: Cast, fleet: Fleet, client: Client) -> None:
    client.force_login(cast.owner_trader)
    brush = {"first_day": "2026-03-09", "last_day": "2026-03-10", "from_hour": "8", "until_hour": "20"}
    answer = client.get(query(fleet, DRAWN, do="add", cards="24", ask="11.5", **brush))

    assert answer.status_code == 302
    page = client.get(answer["Location"])
    assert [str(block) for block in page.context["plan"].blocks] == [
        DRAWN,
        "2026-03-09_2026-03-10_8-20_24_11.5_",
    ]
    assert "do=" not in answer["Location"]


def test_the_page_says_in_words_what_will_be_listed(cast: Cast, fleet: Fleet, client: Client) -> None:
    held = make_offer(fleet, cards=56, start=datetime(2026, 3, 9, tzinfo=UTC), hours=3)
    client.force_login(cast.owner_trader)
    text = client.get(query(fleet, DRAWN)).content.decode()

    assert "<strong>1 offer</strong> over 696 hours" in text
    assert "3 hours clash" in text
    assert f">{held}</a>" in text
    assert "Put 1 offer on the market" not in text

    left = client.get(query(fleet, DRAWN, leave_out="yes")).content.decode()
    assert "3 hours are left out" in left
    assert "Put 2 offers on the market" in left


def test_confirming_lists_the_plan_and_shows_its_offers(cast: Cast, fleet: Fleet, client: Client) -> None:
    client.force_login(cast.owner_trader)
    body = {"fleet": fleet.pk, "block": [DRAWN], "month": "2026-03", "key": str(uuid4()), "lot": "8"}
    answers = [client.post(ADDRESS, body) for _ in range(2)]

    batch = OfferBatch.objects.get()
    assert [answer["Location"] for answer in answers] == [f"/offers/?batch={batch.pk}"] * 2
    (offer,) = Offer.objects.all()
    assert (offer.cards, offer.lot, len(offer.asks)) == (16, 8, 696)


def test_hours_that_have_begun_are_left_out(cast: Cast, fleet: Fleet, client: Client) -> None:
    client.force_login(cast.owner_trader)
    page = client.get(query(fleet, "2026-03-01_2026-03-02_0-24_16_9_"))

    # It is 16:20 on the second of March in Shanghai.
    assert page.context["preview"].past == 24 + 17
    assert page.context["preview"].hours == 7


def test_a_wrong_brush_says_so_and_keeps_what_is_drawn(cast: Cast, fleet: Fleet, client: Client) -> None:
    client.force_login(cast.owner_trader)
    page = client.get(query(fleet, DRAWN, do="add", from_hour="20", until_hour="8", cards="8", ask="1"))

    assert page.status_code == 200
    assert "The hours end after they begin" in page.content.decode()
    assert len(page.context["plan"].blocks) == 1


@pytest.mark.parametrize("month", ["", "x", "0000-01", "9999-12", "2026-13"])
def test_an_address_of_no_month_shows_this_one(cast: Cast, fleet: Fleet, client: Client, month: str) -> None:
    client.force_login(cast.owner_trader)
    assert str(client.get(query(fleet, month=month)).context["plan"].month) == "2026-03"


def test_the_page_asks_the_database_no_more_where_there_is_more(
    cast: Cast, fleet: Fleet, client: Client, django_assert_max_num_queries: object
) -> None:
    for day in range(20):
        make_offer(fleet, cards=1, start=START + timedelta(days=day))
    client.force_login(cast.owner_trader)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        client.get(query(fleet, DRAWN))
