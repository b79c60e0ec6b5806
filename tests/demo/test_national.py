"""The market of the size of a nation is made by SQL: what it writes is what the exchange would have."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import F, Sum

from accounts.actors import task_actor
from accounts.models import Organisation
from billing.metering.models import MeteredHour
from billing.rating.models import Charge
from demo.national import Size, load_national
from marketplace.agreements.models import Agreement
from marketplace.audit.utilisation.models import FleetDay, FleetMonth, PlaceDay
from marketplace.clearing.models import Allocation, ClearingPrice
from marketplace.delivery.models import Delivery
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Fleet, OfferHour, Site
from tests.cast import Cast

SMALL = Size(owners=5, buyers=8, sites=20, fleets=40, requests=200, agreements=200)
A_DAY = timedelta(days=1)
LOADER = task_actor("demo.load_national")


@pytest.fixture
def loaded(db: None, now: datetime) -> None:
    steps = list(load_national(actor=LOADER, now=now, seed=1, size=SMALL))
    assert "charges" in steps
    assert steps[-1] == "utilisation of the days before it"


def test_everything_is_there_in_its_number(loaded: None) -> None:
    counts = [
        model.objects.count() for model in (Site, Fleet, ComputeRequest, Allocation, Agreement, Delivery)
    ]
    assert counts == [20, 40, 200, 200, 200, 200]


def test_what_the_set_aside_trigger_would_have_written_is_there(loaded: None) -> None:
    """Each hour of an offer holds the cards that its allocations took of it."""
    sold = OfferHour.objects.aggregate(all=Sum("cards_sold"))["all"]
    assert sold == Agreement.objects.aggregate(all=Sum("card_hours"))["all"]
    assert not OfferHour.objects.filter(cards_sold__gt=F("cards_offered")).exists()


def test_sums_are_those_of_what_they_add_up(loaded: None) -> None:
    agreement = Agreement.objects.earliest("pk")
    assert agreement.value == agreement.cards * sum(agreement.allocation.prices)
    assert not Charge.objects.exclude(amount=F("commission") + F("credit")).exists()
    charged = Charge.objects.aggregate(all=Sum("quantity"))["all"]
    allocated = MeteredHour.objects.filter(meter="card-seconds.allocated").aggregate(all=Sum("quantity"))
    assert charged == allocated["all"]
    prices = ClearingPrice.objects.filter(run=agreement.allocation.run).values_list("price", flat=True)
    assert set(agreement.allocation.prices) <= {Decimal(price) for price in prices}


def test_utilisation_of_the_last_day_is_what_was_charged_for_it(loaded: None, now: datetime) -> None:
    today = now.replace(hour=0, minute=0)
    charged = Charge.objects.filter(slot__gte=today - A_DAY, slot__lt=today)
    owed = charged.aggregate(seconds=Sum("quantity"), money=Sum("amount"))
    for table in (FleetDay, PlaceDay):
        rows = table.objects.filter(starts_at=today - A_DAY)
        assert rows.aggregate(seconds=Sum("charged"), money=Sum("amount")) == owed
    months, days = (table.objects.aggregate(all=Sum("sold"))["all"] for table in (FleetMonth, FleetDay))
    assert months == days


def test_only_an_empty_database_is_filled(cast: Cast, now: datetime) -> None:
    assert cast.owner == Organisation.objects.get()
    with pytest.raises(ValueError, match="not empty"):
        next(load_national(actor=LOADER, now=now, seed=1, size=SMALL))
