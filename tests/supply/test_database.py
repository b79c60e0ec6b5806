"""What the database refuses about supply when the code does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from marketplace.supply.models import Fleet, Offer, OfferHour
from tests.factories import ENTERED, HOUR, START, make_fleet, make_offer, make_site, make_zone
from tests.supply.sales import sell

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(db: None) -> Offer:
    return make_offer(make_fleet(cards=10), cards=8, hours=4, lot=2, minimum_hours=2)


def refused(constraint: str, change: Callable[[], object]) -> None:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        change()
    cause = refusal.value.__cause__
    assert getattr(cause, "diag").constraint_name == constraint  # noqa: B009


def test_no_card_is_sold_twice(offer: Offer) -> None:
    sell(offer, cards=6, start=START, hours=2)
    refused("offer_hour_never_oversold", lambda: sell(offer, cards=4, start=START + HOUR, hours=2))
    sell(offer, cards=2, start=START + HOUR, hours=2)
    sold = OfferHour.objects.order_by("slot").values_list("cards_sold", flat=True)
    assert list(sold) == [6, 8, 2]


@pytest.mark.parametrize(
    ("constraint", "sale"),
    [
        ("allocation_inside_offer", {"start": START - HOUR, "hours": 2}),
        ("allocation_inside_offer", {"start": START + 3 * HOUR, "hours": 2}),
        ("allocation_terms_of_offer", {"start": START, "hours": 2, "cards": 3}),
        ("allocation_terms_of_offer", {"start": START, "hours": 1}),
        ("allocation_terms_of_offer", {"start": START, "hours": 2, "currency": "USD"}),
        ("allocation_well_formed", {"start": START, "hours": 2, "prices": [Decimal(1)]}),
    ],
)
def test_a_sale_keeps_to_the_offer(offer: Offer, constraint: str, sale: dict[str, Any]) -> None:
    refused(constraint, lambda: sell(offer, **{"cards": 4} | sale))


def test_a_withdrawn_offer_sells_nothing_and_comes_not_back(offer: Offer) -> None:
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=ENTERED)
    refused("allocation_inside_offer", lambda: sell(offer, cards=2, start=START, hours=2))
    again = Offer.objects.filter(pk=offer.pk)
    refused("offer_stays", lambda: again.update(state="open", withdrawn_at=None))


def test_a_withdrawal_has_a_time(offer: Offer) -> None:
    withdrawn = Offer.objects.filter(pk=offer.pk)
    refused("offer_withdrawal_has_a_time", lambda: withdrawn.update(state="withdrawn"))


def test_overlapping_offers_do_not_list_more_than_the_fleet_has(offer: Offer) -> None:
    refused("offers_fit_the_fleet", lambda: make_offer(offer.fleet, cards=3, start=START + 3 * HOUR))
    make_offer(offer.fleet, cards=2, start=START + 3 * HOUR)
    make_offer(offer.fleet, cards=10, start=START - 2 * HOUR, hours=2)


def test_cards_sold_before_a_withdrawal_are_not_listed_again(offer: Offer) -> None:
    sell(offer, cards=6, start=START + HOUR, hours=2)
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=ENTERED)
    refused("offers_fit_the_fleet", lambda: make_offer(offer.fleet, cards=5, start=START, hours=4))
    make_offer(offer.fleet, cards=10, start=START, hours=1)
    make_offer(offer.fleet, cards=4, start=START + HOUR, hours=3)


def test_a_fleet_does_not_shrink_below_what_it_lists(offer: Offer) -> None:
    fleets = Fleet.objects.filter(pk=offer.fleet_id)
    refused("offers_fit_the_fleet", lambda: fleets.update(cards=7, node_size=1))
    sell(offer, cards=6, start=START, hours=2)
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=ENTERED)
    refused("offers_fit_the_fleet", lambda: fleets.update(cards=5, node_size=1))
    fleets.update(cards=6, node_size=1)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("offer_window_whole_hours", {"starts_at": START + timedelta(minutes=1)}),
        ("offer_asks", {"asks": [Decimal(1), Decimal(2)]}),
        ("offer_asks", {"asks": [Decimal(0)]}),
        ("offer_asks", {"asks": [Decimal(100_001)]}),
        ("offer_asks", {"asks": [Decimal(1), None, Decimal(1), Decimal(1)]}),
        ("offer_currency_of_zone", {"currency": "EUR"}),
        ("offer_stays", {"starts_at": START + HOUR}),
        ("offer_hour_never_oversold", {"cards": 5}),
    ],
)
def test_an_offer_stays_well_formed_and_keeps_its_sales(
    offer: Offer, constraint: str, change: dict[str, Any]
) -> None:
    sell(offer, cards=6, start=START, hours=2)
    refused(constraint, lambda: Offer.objects.filter(pk=offer.pk).update(**change))


def test_an_offer_does_not_move_to_another_fleet_or_vanish(offer: Offer) -> None:
    other = make_fleet(offer.fleet.site)
    refused("offer_stays", lambda: Offer.objects.filter(pk=offer.pk).update(fleet=other))
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        offer.delete()


def test_the_currency_is_that_of_the_zone(db: None) -> None:
    assert make_zone().currency == "CNY"
    fleet = make_fleet(make_site())
    refused("offer_currency_of_zone", lambda: make_offer(fleet, currency="USD"))
