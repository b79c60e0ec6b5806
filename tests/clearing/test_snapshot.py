"""What the engine is told about the market."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.models import AuditEvent
from marketplace.catalogue import services as catalogue
from marketplace.catalogue.models import AcceleratorModel, CarbonPrice, FxRate, ProfileVersion
from marketplace.clearing import snapshot
from marketplace.engine import OwnerCap, Snapshot, check
from marketplace.supply.models import Offer, OfferHour
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.conftest import NOW
from tests.demand.groups import make_budget, make_cap, make_choice
from tests.demand.purchases import buy
from tests.factories import (
    HOUR,
    START,
    make_fleet,
    make_model,
    make_offer,
    make_region,
    make_request,
    make_site,
    make_zone,
)

pytestmark = pytest.mark.django_db


def build(slots: int = 24, start: datetime = START, now: datetime = NOW) -> Snapshot:
    """The market, which the engine would take."""
    if not FxRate.objects.exists():
        make_reference()
    built = snapshot.build(
        horizon_start=start,
        slots=slots,
        base_currency="CNY",
        profiles=ProfileVersion.objects.get(),
        now=now,
    )
    check(built)
    return built


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


@pytest.mark.parametrize(
    "facts",
    [
        {"gangs": 0, "divisible": False, "interruptible": False},
        {"gangs": 1, "divisible": False, "interruptible": False},
        {"gangs": 4, "divisible": False, "interruptible": False},
        {"gangs": 0, "divisible": True, "interruptible": False},
        {"gangs": 0, "divisible": True, "interruptible": True},
    ],
)
def test_how_the_cards_come_together_is_told_as_it_is(facts: dict[str, Any]) -> None:
    make_request(alternatives=[facts])
    (alternative,) = build().requests[0].alternatives
    assert {name: getattr(alternative, name) for name in facts} == facts


def test_work_that_is_spread_is_in_the_market_while_an_hour_of_it_is() -> None:
    spread = {"hours": 10, "divisible": True, "deadline": START + 5 * HOUR}
    make_request(alternatives=[spread, spread | {"divisible": False, "hours": 6}])
    (alternative,) = build().requests[0].alternatives
    assert (alternative.earliest, alternative.duration, alternative.deadline) == (0, 10, 5)
    assert build(start=START + 4 * HOUR).requests[0].alternatives[0].deadline == 1
    assert build(start=START + 5 * HOUR).requests == ()


def test_of_a_budget_the_market_knows_what_is_left(cast: Cast) -> None:
    budget, empty = make_budget(cast.buyer, "1000"), make_budget(cast.buyer, "50")
    abroad = make_offer(make_fleet(make_site(region=make_region("sg", make_zone("sg", "USD")))), cards=16)
    bought = make_request(cast.buyer, shared_budget=budget)
    buy(bought, abroad, cards=8, hours=4, price="1.000001", fx_rate="7.123456789012")
    # Of one request, several allocations of one offer, as work that is spread over a window has them.
    buy(bought, abroad, cards=1, hours=2, price="2", fx_rate="7", start=START + 8 * HOUR)
    waiting = [make_request(cast.buyer, shared_budget=budget) for _ in range(2)]
    make_request(cast.buyer, shared_budget=budget, start=START + 30 * HOUR, deadline=START + 99 * HOUR)
    buy(make_request(cast.buyer, shared_budget=empty), make_offer(), cards=8, hours=4)
    last = make_request(cast.buyer, shared_budget=empty)
    first, second = build().budgets
    assert (first.id, first.requests) == (budget.pk, tuple(request.pk for request in waiting))
    # 1,000 - 32 x 1.000001 x 7.123456789012 - 4 x 7, less than a millionth rounded away from the buyer.
    assert (first.currency, first.amount) == ("CNY", 744_049_154)
    assert (second.id, second.requests, second.amount) == (empty.pk, (last.pk,), 0)


def test_of_a_choice_the_market_knows_how_many_are_left(cast: Cast) -> None:
    choice, used_up = make_choice(cast.buyer, most=3), make_choice(cast.buyer)
    for state in ("matched", "withdrawn", "expired"):
        make_request(cast.buyer, choice=choice, state=state)
    waiting = [make_request(cast.buyer, choice=choice) for _ in range(2)]
    make_request(cast.buyer, choice=used_up, state="matched")
    late = make_request(cast.buyer, choice=used_up)
    first, second = build().choices
    assert (first.id, first.requests, first.most) == (choice.pk, tuple(each.pk for each in waiting), 2)
    assert (second.requests, second.most) == ((late.pk,), 0)


def test_a_group_without_a_request_in_the_market_is_left_out(cast: Cast) -> None:
    make_budget(cast.buyer)
    make_choice(cast.buyer)
    make_request(cast.buyer, shared_budget=make_budget(cast.buyer), state="withdrawn")
    make_request(cast.buyer)
    market = build()
    assert (market.budgets, market.choices, market.owner_caps) == ((), (), ())


def test_an_owner_cap_is_what_is_left_with_each_owner_of_the_market(cast: Cast) -> None:
    make_cap(cast.buyer, 40)
    make_cap(cast.other_buyer, 7)
    mine = make_offer(make_fleet(make_site(cast.owner)), cards=64)
    make_offer(make_fleet(make_site(cast.other_owner)))
    buy(make_request(cast.buyer), mine, cards=8, hours=4)
    make_request(cast.buyer)
    buyer, owner, other = cast.buyer.pk, cast.owner.pk, cast.other_owner.pk
    # The cap of a buyer who asks for nothing binds nothing.
    assert set(build().owner_caps) == {OwnerCap(buyer, owner, 8), OwnerCap(buyer, other, 40)}
    # Two of the four hours are over, the third has begun and counts.
    later = build(start=START + 3 * HOUR, now=START + 2.5 * HOUR)
    assert OwnerCap(buyer, owner, 24) in later.owner_caps
    buy(make_request(cast.buyer), mine, cards=56, hours=1)
    assert OwnerCap(buyer, owner, 0) in build().owner_caps


def test_of_a_power_cap_the_market_knows_what_is_left_in_each_hour(cast: Cast) -> None:
    site = make_site(cast.owner, power_cap_kw=Decimal("5.7"))
    small = make_fleet(site, make_model("t4", tdp_w=70))
    offer, withdrawn = make_offer(make_fleet(site)), make_offer(small, cards=32)
    buy(make_request(cast.buyer), offer, cards=4, hours=2)
    buy(make_request(cast.buyer), withdrawn, cards=10, hours=1, start=START + HOUR)
    buy(make_request(cast.buyer), offer, cards=8, hours=1, start=START + 2 * HOUR)
    buy(make_request(cast.buyer), withdrawn, cards=16, hours=1, start=START + 2 * HOUR)
    Offer.objects.filter(pk=withdrawn.pk).update(state="withdrawn", withdrawn_at=NOW)
    make_offer(make_fleet(make_site(cast.other_owner)))
    first, second = build(slots=4).sites
    assert first.power_cap == (2_900, 2_200, 0, 5_700)
    assert second.power_cap == ()


def test_an_offer_waits_where_a_fact_is_missing_and_stops_nobody(cast: Cast) -> None:
    capped = make_site(cast.owner, power_cap_kw=Decimal(500))
    make_offer(make_fleet(capped))
    make_offer(make_fleet(capped, make_model("mystery", tdp_w=None)))
    make_offer(make_fleet(model=make_model("blank", memory_gb=None)))
    uncapped = make_offer(make_fleet(model=make_model("mystery")))
    assert [offer.id for offer in build().offers] == [uncapped.pk]
    AcceleratorModel.objects.filter(slug="mystery").update(tdp_w=300)
    assert len(build().offers) == 3


def test_orders_in_a_currency_without_a_rate_wait(cast: Cast) -> None:
    make_reference()
    FxRate.objects.filter(currency="USD").update(valid_from=NOW + HOUR)
    make_offer(make_fleet(make_site(region=make_region("sg", make_zone("sg", "USD")))))
    make_request(cast.buyer, currency="USD", shared_budget=make_budget(cast.buyer, currency="USD"))
    market = build()
    assert (market.offers, market.requests, market.budgets) == ((), (), ())


def enter_price(cast: Cast, per_tonne: str, valid_from: datetime) -> CarbonPrice:
    price = CarbonPrice(per_tonne=Decimal(per_tonne), valid_from=valid_from, source="a test")
    catalogue.enter_carbon_price(price, actor=Actor(user=cast.operator), now=NOW)
    return price


def test_the_carbon_price_is_the_one_in_force_by_the_kilogram(cast: Cast) -> None:
    make_offer()
    assert build().carbon_price == 0
    enter_price(cast, "80", NOW - 2 * HOUR)
    enter_price(cast, "100.05", NOW)
    enter_price(cast, "500", NOW + HOUR)
    assert build().carbon_price == 100_050
    enter_price(cast, "0", NOW + HOUR / 2)
    assert build(now=NOW + HOUR / 2).carbon_price == 0
    assert build(now=NOW + HOUR).carbon_price == 500_000


def test_an_empty_market_stands_a_carbon_price(cast: Cast) -> None:
    enter_price(cast, "80", NOW)
    assert build().carbon_price == 80_000


def test_a_carbon_price_is_entered_in_the_admin_and_never_changed(cast: Cast, client: Client) -> None:
    client.force_login(cast.operator)
    when = {"valid_from_0": "2026-03-02", "valid_from_1": "08:00:00", "source": "decision 7"}
    client.post("/admin/catalogue/carbonprice/add/", when | {"per_tonne": "99.5"})
    entered = CarbonPrice.objects.get()
    assert (entered.per_tonne, entered.currency) == (Decimal("99.5"), "CNY")
    event = AuditEvent.objects.get(action="carbon_price.entered")
    assert (event.user, event.data["per_tonne"]) == (cast.operator, "99.5")
    for price in ("100001", "-1", "99.5"):
        answer = client.post("/admin/catalogue/carbonprice/add/", when | {"per_tonne": price})
        assert answer.status_code == 200, "the form is shown again"
    assert CarbonPrice.objects.count() == 1
    for action in ("change", "delete"):
        assert client.post(f"/admin/catalogue/carbonprice/{entered.pk}/{action}/", when).status_code == 403
    for per_tonne in (Decimal(-1), Decimal(100_001)):
        with pytest.raises(IntegrityError), transaction.atomic():
            CarbonPrice.objects.create(
                currency="CNY", per_tonne=per_tonne, valid_from=NOW + HOUR, source="a test"
            )


def test_groups_take_a_fixed_number_of_queries(cast: Cast) -> None:
    make_cap(cast.buyer, 40)
    site = make_site(cast.owner, power_cap_kw=Decimal(50))
    make_offer(make_fleet(site))
    make_request(cast.buyer, shared_budget=make_budget(cast.buyer), choice=make_choice(cast.buyer))
    with CaptureQueriesContext(connection) as few:
        build()
    for _ in range(4):
        make_offer(make_fleet(make_site(cast.owner, power_cap_kw=Decimal(50))))
        make_request(cast.buyer, shared_budget=make_budget(cast.buyer), choice=make_choice(cast.buyer))
    with CaptureQueriesContext(connection) as many:
        market = build()
    assert (len(market.budgets), len(market.choices), len(market.sites)) == (5, 5, 5)
    assert len(many) <= len(few)
