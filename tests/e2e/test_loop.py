"""The whole loop over the API: offer and request → run → delivery → readings → charge → invoice → audit.

Nobody calls a service here: an owner and a buyer trade, the site's agent reports, and beat's tasks run in
between, as they do in production. Every figure is worked out by hand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.audit import seal, verify_chain
from billing.invoicing.tasks import close_periods
from billing.rating.tasks import rate_ended_slots
from marketplace.agreements.tasks import run_market_task
from marketplace.audit.utilisation.tasks import roll_up_utilisation
from marketplace.clock import HOUR
from marketplace.delivery.tasks import schedule
from tests.billing.builders import make_billing_facts
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.e2e.market import MORNING, START, Market

pytestmark = pytest.mark.django_db(transaction=True)

CARDS = 16


@pytest.fixture
def market(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> Market:
    make_reference()
    make_billing_facts(cast.owner.jurisdiction)
    return Market(cast, client, monkeypatch)


def test_from_an_idle_card_to_a_paid_hour(market: Market, cast: Cast, settings: Any) -> None:
    settings.BILLING_PERIOD = "hours:6"
    settings.COMMISSION_RATE = Decimal("0.03")
    fleet = market.fleet

    # The owner offers half of its 32 cards for a day at ¥10, the buyer wants them for two hours at ¥12.
    offer = {
        "fleet": fleet.pk, "cards": CARDS, "starts_at": START.isoformat(),
        "ends_at": (START + 24 * HOUR).isoformat(), "asks": ["10.00"],
    }  # fmt: skip
    market.post(market.owner, "offers", offer)
    wish = {
        "unit": "cards", "amount": str(CARDS), "limit": "12.00", "workload": "training", "hours": 2,
        "earliest_start": START.isoformat(), "deadline": (START + 2 * HOUR).isoformat(),
        "accelerator_models": [fleet.model.slug],
    }  # fmt: skip
    request = market.post(
        market.buyer, "requests", {"title": "Nightly", "currency": "CNY", "alternatives": [wish]}
    )
    run_market_task()

    (agreement,) = market.get(market.buyer, "agreements")["results"]
    assert (agreement["request"], agreement["card_hours"]) == (request["id"], 32)
    assert Decimal(agreement["value"]) == 320
    (run,) = market.get(market.buyer, "market-runs")["results"]
    assert (run["requests_matched"], run["accelerator_models_sold"]) == (1, 1)

    # The site delivers: all cards in the first hour, three quarters of them in the second.
    schedule()
    (delivery,) = market.get(market.agent, "agent/deliveries")["results"]
    number = delivery["id"]
    market.step(number, "provisioning", MORNING + timedelta(minutes=20))
    market.step(number, "accepting", MORNING + timedelta(minutes=30))
    shown = {"cards_visible": CARDS, "model": fleet.model.slug, "memory_gb": "80", "passed": True}
    market.step(number, "active", START, acceptance=shown)
    market.meter(number, 0, allocated=CARDS * 3600, active=5 * 3600, energy=9000)
    market.meter(number, 1, allocated=12 * 3600, active=4 * 3600, energy=8000)
    market.step(number, "ended", START + 2 * HOUR)
    market.now = START + 4 * HOUR
    rate_ended_slots()
    close_periods()
    roll_up_utilisation()

    charges = market.get(market.buyer, "charges")["results"]
    # Seven of eight card-hours came: for less than nine in ten, half of the charges is given back.
    assert sorted(Decimal(charge["amount"]) for charge in charges) == [-140, 120, 160]
    (invoice,) = market.get(market.buyer, "invoices")["results"]
    (statement,) = market.get(market.owner, "statements")["results"]
    assert Decimal(invoice["total"]) == Decimal("140.00")
    assert Decimal(statement["total"]) == Decimal("135.80")

    # The auditor sees the five levels, made of the same rows.
    market.client.force_login(cast.auditor)
    window = f"start={START:%Y-%m-%dT%H:%M:%SZ}&end={START + 2 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    seen = market.client.get(f"/api/v1/audit/utilisation?{window}").json()["total"]
    levels = {name: Decimal(seen[name]) for name in ("installed", "offered", "sold", "allocated", "active")}
    assert levels == {"installed": 64, "offered": 32, "sold": 32, "allocated": 28, "active": 9}
    assert Decimal(seen["active_share"]) == Decimal("0.140625")
    billed = sum(charge["quantity"] for charge in charges)
    assert levels["allocated"] * 3600 == billed

    # And the chain of who did what holds.
    assert seal() > 10
    assert list(verify_chain(now=datetime.now(UTC))) == []
