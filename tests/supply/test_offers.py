"""What an owner may list, change and withdraw, and what is refused before the database has to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AuditEvent, Scope
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.supply import services
from marketplace.supply.models import Fleet, Offer
from marketplace.supply.rules import FleetInput, OfferChange, OfferInput, SiteInput
from marketplace.supply.selectors import fleets_for, offer_book, offers_for, sites_for, with_card_hours_sold
from tests.cast import Cast
from tests.factories import HOUR, START, make_fleet, make_model, make_offer, make_region, make_site, make_zone
from tests.supply.sales import sell

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet(cast: Cast) -> Fleet:
    return make_fleet(make_site(cast.owner), cards=64)


def an_offer(**facts: Any) -> OfferInput:
    usual = {"cards": 8, "starts_at": START, "ends_at": START + 4 * HOUR, "asks": (Decimal(10),)}
    return OfferInput(**usual | facts)


def create(cast: Cast, fleet: Fleet, now: datetime, **facts: Any) -> Offer:
    viewer = cast.viewer_of(cast.owner_trader)
    return services.create_offer(viewer=viewer, fleet=fleet, offer=an_offer(**facts), now=now)


def amend(cast: Cast, offer: Offer, now: datetime, **change: Any) -> Offer:
    viewer = cast.viewer_of(cast.owner_trader)
    return services.amend_offer(viewer=viewer, offer=offer, change=OfferChange(**change), now=now)


def withdraw(cast: Cast, offer: Offer, now: datetime) -> Offer:
    return services.withdraw_offer(viewer=cast.viewer_of(cast.owner_trader), offer=offer, now=now)


def test_a_trader_lists_cards_in_the_currency_of_the_zone(cast: Cast, now: datetime) -> None:
    abroad = make_region("sg-singapore", make_zone("sg", "USD"))
    offer = create(cast, make_fleet(make_site(cast.owner, abroad)), now)
    assert (offer.currency, offer.state, offer.entered_at) == ("USD", "open", now)
    event = AuditEvent.objects.get(action="offer.created")
    assert (event.user, event.organisation, event.object_id) == (
        cast.owner_trader,
        cast.owner,
        str(offer.pk),
    )
    assert event.data["asks"] == ["10"]


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("starts_at", {"starts_at": START + timedelta(minutes=30)}),
        ("starts_at", {"starts_at": START - HOUR}),
        ("ends_at", {"ends_at": START + timedelta(minutes=90)}),
        ("ends_at", {"ends_at": START}),
        ("ends_at", {"ends_at": START + 9000 * HOUR}),
        ("asks", {"asks": ()}),
        ("asks", {"asks": (Decimal(1), Decimal(2))}),
        ("asks", {"asks": (Decimal(0),)}),
        ("asks", {"asks": (Decimal(-1),)}),
        ("asks", {"asks": (Decimal("NaN"),)}),
        ("asks", {"asks": (Decimal(100_001),)}),
        ("cards", {"cards": 0, "lot": 0}),
        ("cards", {"cards": 65}),
        ("lot", {"lot": 9}),
        ("lot", {"lot": 0}),
        ("minimum_hours", {"minimum_hours": 5}),
        ("minimum_hours", {"minimum_hours": 0}),
        ("notice_minutes", {"notice_minutes": -1}),
    ],
)
def test_a_wrong_offer_is_refused_with_the_name_of_the_field(
    cast: Cast, fleet: Fleet, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        create(cast, fleet, now, **facts)
    assert field in refusal.value.fields
    assert not Offer.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_ask_for_each_hour_of_the_window_is_one_figure_an_hour(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    asks = tuple(Decimal(figure) for figure in (4, 3, 2, 1))
    assert create(cast, fleet, now, asks=asks).asks == list(asks)


def test_offers_of_one_fleet_never_list_more_cards_than_it_has(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    create(cast, fleet, now, cards=40)
    with pytest.raises(InvalidInput) as refusal:
        create(cast, fleet, now, cards=25, starts_at=START + 3 * HOUR, ends_at=START + 5 * HOUR)
    assert refusal.value.fields == {"cards": "Only 24 of the fleet's 64 cards are free in this whole window."}
    create(cast, fleet, now, cards=24)
    create(cast, fleet, now, cards=64, starts_at=START + 4 * HOUR, ends_at=START + 5 * HOUR)


def test_cards_sold_by_a_withdrawn_offer_are_not_listed_again(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    offer = create(cast, fleet, now, cards=64)
    sell(offer, cards=10, start=START + HOUR, hours=1)
    withdraw(cast, offer, now)
    with pytest.raises(InvalidInput, match="cannot be listed"):
        create(cast, fleet, now, cards=55)
    create(cast, fleet, now, cards=54)
    create(cast, fleet, now, cards=10, ends_at=START + HOUR)


def test_an_owner_changes_asks_cards_and_window_and_queues_again(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    offer = create(cast, fleet, now - HOUR)
    changed = amend(cast, offer, now, cards=60, ends_at=START + 2 * HOUR, asks=(Decimal(7), Decimal(8)))
    assert (changed.cards, changed.asks, changed.entered_at) == (60, [7, 8], now)
    assert AuditEvent.objects.get(action="offer.amended").data["cards"] == 60


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("cards", {"cards": 3}),
        ("starts_at", {"starts_at": START + 2 * HOUR}),
        ("ends_at", {"ends_at": START + HOUR}),
        ("asks", {"ends_at": START + 5 * HOUR, "asks": (Decimal(1), Decimal(1))}),
    ],
)
def test_what_an_offer_sold_stays_in_it(
    cast: Cast, fleet: Fleet, now: datetime, field: str, change: dict[str, Any]
) -> None:
    offer = create(cast, fleet, now)
    sell(offer, cards=4, start=START + HOUR, hours=1)
    with pytest.raises(InvalidInput) as refusal:
        amend(cast, offer, now, **change)
    assert list(refusal.value.fields) == [field]


def test_an_offer_under_way_changes_its_asks_and_nothing_else(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    offer = create(cast, fleet, now)
    later = START + HOUR
    assert amend(cast, offer, later, asks=(Decimal(9),)).asks == [9]
    with pytest.raises(services.OfferUnderWay):
        amend(cast, offer, later, cards=9)


def test_a_withdrawn_offer_keeps_what_it_sold_and_never_changes_again(
    cast: Cast, fleet: Fleet, now: datetime
) -> None:
    offer = create(cast, fleet, now)
    sell(offer, cards=4, start=START, hours=2)
    for moment in (now, now + HOUR):
        assert withdraw(cast, offer, moment).withdrawn_at == now
    offer.refresh_from_db()
    assert [(line.offered, line.sold, line.free) for line in offer_book(offer)] == [
        (4, 4, 0),
        (4, 4, 0),
        (0, 0, 0),
        (0, 0, 0),
    ]
    assert AuditEvent.objects.filter(action="offer.withdrawn").count() == 1
    with pytest.raises(services.OfferWithdrawn):
        amend(cast, offer, now, cards=9)


def test_the_book_shows_ask_sold_and_free_of_every_hour(cast: Cast, fleet: Fleet, now: datetime) -> None:
    offer = create(cast, fleet, now, asks=tuple(map(Decimal, (4, 3, 2, 1))))
    sell(offer, cards=5, start=START + HOUR, hours=2)
    book = offer_book(offer)
    assert [line.slot for line in book] == [START + hour * HOUR for hour in range(4)]
    assert [(line.ask, line.sold, line.free) for line in book] == [(4, 0, 8), (3, 5, 3), (2, 5, 3), (1, 0, 8)]
    assert with_card_hours_sold(Offer.objects.all()).get().card_hours_sold == 10


def test_only_who_trades_for_the_owner_changes_its_supply(cast: Cast, fleet: Fleet, now: datetime) -> None:
    offer = make_offer(fleet)
    for viewer in (
        cast.viewer_of(cast.owner_viewer),
        cast.viewer_of(cast.owner_finance),
        cast.viewer_of(cast.stranger),
        cast.viewer_of(cast.auditor),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.owner, Scope.READ, Scope.AGENT),
    ):
        with pytest.raises(NotAllowed):
            services.create_offer(viewer=viewer, fleet=fleet, offer=an_offer(), now=now)
        with pytest.raises(NotAllowed):
            services.amend_offer(viewer=viewer, offer=offer, change=OfferChange(cards=1), now=now)
        with pytest.raises(NotAllowed):
            services.withdraw_offer(viewer=viewer, offer=offer, now=now)
    token = cast.viewer_of_token(cast.owner, Scope.TRADE)
    assert services.create_offer(viewer=token, fleet=fleet, offer=an_offer(), now=now).created_by is None


def test_an_owner_sees_its_own_supply_an_auditor_all_a_stranger_none(cast: Cast, fleet: Fleet) -> None:
    offer = make_offer(fleet)
    for user in (cast.owner_viewer, cast.auditor, cast.operator):
        viewer = cast.viewer_of(user)
        assert list(sites_for(viewer)) == [fleet.site]
        assert list(fleets_for(viewer)) == [fleet]
        assert list(offers_for(viewer)) == [offer]
    for user in (cast.stranger, cast.buyer_admin, cast.nobody_yet):
        viewer = cast.viewer_of(user)
        assert not sites_for(viewer).exists()
        assert not fleets_for(viewer).exists()
        assert not offers_for(viewer).exists()


def a_site(**facts: Any) -> SiteInput:
    usual = {
        "name_en": "Wuhu 1",
        "name_zh": "芜湖一号",
        "region": make_region(),
        "pue": Decimal("1.15"),
        "renewable_share": Decimal("0.4"),
        "bandwidth_mbps": 40_000,
    }
    return SiteInput(**usual | facts)


def test_an_owner_registers_a_site_and_a_fleet_in_it(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of(cast.owner_trader)
    site = services.create_site(viewer=viewer, organisation=cast.owner, site=a_site(), now=now)
    wanted = FleetInput(make_model(), cards=16, node_size=8, interconnect="NVLink", installed_at=now)
    fleet = services.create_fleet(viewer=viewer, site=site, fleet=wanted, now=now)
    assert (fleet.site, fleet.stack, site.verification) == (site, wanted.model.stack, 0)
    assert [e.action for e in AuditEvent.objects.order_by("pk")] == ["site.created", "fleet.created"]


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("name_en", {"name_en": " "}),
        ("name_zh", {"name_zh": ""}),
        ("pue", {"pue": Decimal("0.99")}),
        ("renewable_share", {"renewable_share": Decimal("1.1")}),
        ("bandwidth_mbps", {"bandwidth_mbps": 0}),
    ],
)
def test_a_wrong_site_is_refused_with_the_name_of_the_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    viewer = cast.viewer_of(cast.owner_trader)
    with pytest.raises(InvalidInput) as refusal:
        services.create_site(viewer=viewer, organisation=cast.owner, site=a_site(**facts), now=now)
    assert list(refusal.value.fields) == [field]


def test_a_site_has_one_name_and_an_owner(cast: Cast, now: datetime) -> None:
    owner, buyer = cast.viewer_of(cast.owner_trader), cast.viewer_of(cast.buyer_trader)
    services.create_site(viewer=owner, organisation=cast.owner, site=a_site(), now=now)
    with pytest.raises(InvalidInput, match="cannot be registered"):
        services.create_site(viewer=owner, organisation=cast.owner, site=a_site(), now=now)
    with pytest.raises(InvalidInput, match="Only an owner"):
        services.create_site(viewer=buyer, organisation=cast.buyer, site=a_site(), now=now)
    with pytest.raises(NotAllowed):
        services.create_site(viewer=buyer, organisation=cast.owner, site=a_site(), now=now)


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("cards", {"cards": 0, "node_size": 0}),
        ("cards", {"cards": 1_000_001}),
        ("node_size", {"node_size": 17}),
        ("interconnect", {"interconnect": " "}),
        ("installed_at", {"installed_at": START}),
    ],
)
def test_a_wrong_fleet_is_refused_with_the_name_of_the_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    usual = {
        "cards": 16,
        "node_size": 8,
        "interconnect": "NVLink",
        "installed_at": now,
    }
    with pytest.raises(InvalidInput) as refusal:
        services.create_fleet(
            viewer=cast.viewer_of(cast.owner_trader),
            site=make_site(cast.owner),
            fleet=FleetInput(make_model(), **usual | facts),
            now=now,
        )
    assert field in refusal.value.fields


def test_supply_is_of_our_time(cast: Cast, fleet: Fleet, now: datetime) -> None:
    """No page in another zone could show the others."""
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(InvalidInput) as refusal:
        create(cast, fleet, now, starts_at=last - HOUR, ends_at=last)
    assert set(refusal.value.fields) == {"starts_at", "ends_at"}
    facts = FleetInput(make_model(), 8, 8, "PCIe", datetime.min.replace(tzinfo=UTC))
    viewer = cast.viewer_of(cast.owner_trader)
    with pytest.raises(InvalidInput) as refusal:
        services.create_fleet(viewer=viewer, site=fleet.site, fleet=facts, now=now)
    assert set(refusal.value.fields) == {"installed_at"}
