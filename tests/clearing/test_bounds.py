"""No single row can fail every run: what the database accepts, the engine clears."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from marketplace import engine
from marketplace.catalogue.models import (
    CHEAPEST_CURRENCY,
    DEAREST_CURRENCY,
    HIGHEST_CARBON_PRICE,
    HIGHEST_GRID_CARBON,
    HIGHEST_POWER_W,
    HIGHEST_RATE,
    AcceleratorModel,
    CarbonPrice,
    FxRate,
    PerformanceProfile,
)
from marketplace.catalogue.selectors import profiles_in_force
from marketplace.clearing import snapshot
from marketplace.demand.models import (
    HIGHEST_LIMIT,
    LARGEST_AMOUNT,
    LARGEST_BUDGET,
    LARGEST_CAP,
    MOST_GANGS,
    MOST_WORTH,
    Budget,
    Choice,
    OwnerCap,
)
from marketplace.supply.models import HIGHEST_PRICE, MOST_CARDS
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import (
    START,
    make_fleet,
    make_model,
    make_offer,
    make_profile_version,
    make_region,
    make_request,
    make_site,
    make_zone,
)

pytestmark = pytest.mark.django_db

EUROPE = {"jurisdiction": "DE", "country": "DE"}


def enter_rates(usd: Decimal, eur: Decimal) -> None:
    for currency, cny in (("CNY", Decimal(1)), ("USD", usd), ("EUR", eur)):
        FxRate.objects.create(currency=currency, cny=cny, valid_from=NOW, source="a test")


def refused(problem: type[DatabaseError] = IntegrityError, *, match: str) -> pytest.RaisesExc[DatabaseError]:
    return pytest.raises(problem, match=match)


@pytest.mark.parametrize("base", ["CNY", "USD", "EUR"])
@pytest.mark.parametrize(
    ("usd", "eur"), [(CHEAPEST_CURRENCY, DEAREST_CURRENCY), (DEAREST_CURRENCY, CHEAPEST_CURRENCY)]
)
def test_the_largest_orders_at_the_most_extreme_rates_are_a_market(
    base: str, usd: Decimal, eur: Decimal
) -> None:
    """Ask, limit, number of cards and worth at their bounds, in the dearest and the cheapest currency."""
    enter_rates(usd, eur)
    profiles = make_profile_version()
    model = make_model(memory_gb=Decimal("0.01"))
    PerformanceProfile.objects.create(
        version=profiles, model=model, workload="training", rate=HIGHEST_RATE, lower=Decimal("0.000001"),
        upper=HIGHEST_RATE, evidence_kind="datasheet", evidence={},
    )  # fmt: skip
    hours = int(MOST_WORTH / HIGHEST_LIMIT / 50)
    for currency in ("USD", "EUR"):
        region = make_region(f"at-{currency}".lower(), make_zone(currency.lower(), currency), **EUROPE)
        make_offer(
            make_fleet(make_site(region=region), model, cards=MOST_CARDS), cards=MOST_CARDS, ask=HIGHEST_PRICE
        )
        dearest = {
            "amount": Decimal(50),
            "limit": HIGHEST_LIMIT,
            "hours": hours,
            "deadline": START + timedelta(days=7),
        }
        widest = {"amount": LARGEST_AMOUNT, "limit": MOST_WORTH / LARGEST_AMOUNT, "hours": 1}
        budget = {"amount": LARGEST_AMOUNT, "limit": None, "budget": MOST_WORTH, "hours": 1, "unit": "np"}
        least = {"unit": "np", "amount": Decimal("0.000001"), "limit": Decimal("0.000001")}
        make_request(currency=currency, alternatives=[dearest, widest, budget, least])
    market = snapshot.build(
        horizon_start=START, slots=168, base_currency=base, profiles=profiles_in_force(), now=NOW
    )
    assert (len(market.offers), sum(len(request.alternatives) for request in market.requests)) == (2, 8)
    engine.check(market)


@pytest.mark.parametrize("base", ["CNY", "EUR"])
def test_the_largest_groups_caps_and_carbon_price_are_a_market(base: str, cast: Cast, settings: Any) -> None:
    settings.MARKET_BASE_CURRENCY = base
    enter_rates(CHEAPEST_CURRENCY, DEAREST_CURRENCY)
    make_profile_version()
    CarbonPrice.objects.create(currency=base, per_tonne=HIGHEST_CARBON_PRICE, valid_from=NOW, source="a test")
    region = make_region("de-berlin", make_zone("eu", "EUR"), grid_carbon=HIGHEST_GRID_CARBON, **EUROPE)
    site = make_site(cast.owner, region, renewable_share=0, power_cap_kw=Decimal("999999.999"))
    make_offer(make_fleet(site, make_model(tdp_w=HIGHEST_POWER_W), cards=MOST_CARDS), cards=MOST_CARDS)
    group = {"organisation": cast.buyer, "created_at": NOW}
    budget = Budget.objects.create(**group, name="a", currency="EUR", amount=LARGEST_BUDGET)
    choice = Choice.objects.create(**group, name="b", most=2**15 - 1)
    OwnerCap.objects.create(organisation=cast.buyer, card_hours=LARGEST_CAP, changed_at=NOW)
    gangs = {"gangs": MOST_GANGS, "amount": LARGEST_AMOUNT, "limit": Decimal(1)}
    spread = {"divisible": True, "interruptible": True, "amount": LARGEST_AMOUNT, "limit": Decimal(1)}
    make_request(
        cast.buyer, currency="EUR", shared_budget=budget, choice=choice, alternatives=[gangs, spread]
    )
    market = snapshot.build(
        horizon_start=START, slots=168, base_currency=base, profiles=profiles_in_force(), now=NOW
    )
    assert (len(market.budgets), len(market.choices), len(market.owner_caps)) == (1, 1, 1)
    assert market.carbon_price > 0
    engine.check(market)


@pytest.mark.parametrize(
    ("currency", "cny"),
    [("EUR", "15.000001"), ("EUR", "0.999999"), ("USD", "100000"), ("USD", "-7"), ("CNY", "1.01")],
)
def test_an_exchange_rate_out_of_all_proportion_is_refused(currency: str, cny: str) -> None:
    with refused(match="fx_rate_range"):
        FxRate.objects.create(currency=currency, cny=Decimal(cny), valid_from=NOW, source="a slip")


@pytest.mark.parametrize(("figure", "other"), [("memory_gb", Decimal(96)), ("tdp_w", 900)])
def test_the_figures_of_a_model_are_never_forgotten(figure: str, other: Any) -> None:
    """A request may name the model, a site with a power cap may sell it: both would stop every run."""
    model = AcceleratorModel.objects.filter(pk=make_model().pk)
    with refused(DatabaseError, match="Cannot update"), transaction.atomic():
        model.update(**{figure: None})
    model.update(**{figure: other})


@pytest.mark.parametrize(
    ("figures", "constraint"),
    [({"memory_gb": 0}, "model_memory_positive"), ({"tdp_w": HIGHEST_POWER_W + 1}, "model_power_at_most")],
)
def test_the_figures_of_a_model_are_those_of_a_card(figures: dict[str, int], constraint: str) -> None:
    with refused(match=constraint):
        AcceleratorModel.objects.filter(pk=make_model().pk).update(**figures)


@pytest.mark.parametrize("grid_carbon", [-1, HIGHEST_GRID_CARBON + 1])
def test_no_grid_is_beyond_coal(grid_carbon: Decimal | int) -> None:
    with refused(match="region_grid_carbon"):
        make_region(grid_carbon=grid_carbon)


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"amount": Decimal("0.5")}, "alternative_cards_are_whole"),
        ({"memory_gb": Decimal(-1)}, "alternative_facts_not_negative"),
        ({"carbon": Decimal(-1)}, "alternative_facts_not_negative"),
        ({"limit": HIGHEST_LIMIT + 1}, "alternative_limit_at_most"),
        ({"limit": MOST_WORTH, "hours": 1, "amount": 2}, "alternative_limit"),
    ],
)
def test_figures_that_the_engine_refuses_are_refused_by_the_database(
    facts: dict[str, object], constraint: str
) -> None:
    with refused(match=constraint):
        make_request(alternatives=[facts])


def test_an_ask_above_the_highest_price_is_refused_by_the_database() -> None:
    with refused(match="up to 50000"):
        make_offer(ask=HIGHEST_PRICE + 1)


def test_a_profile_beyond_what_a_card_can_do_is_refused() -> None:
    with refused(match="profile_rate_at_most"):
        PerformanceProfile.objects.create(
            version=make_profile_version(), model=make_model(), workload="training", rate=HIGHEST_RATE + 1,
            lower=1, upper=HIGHEST_RATE + 1, evidence_kind="datasheet", evidence={},
        )  # fmt: skip
