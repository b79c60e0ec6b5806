"""From an offer to an invoice over a real cluster: what is billed is what Slurm accounted, to the second.

The exchange, the agent and Slurm are the real ones; between the agent and the exchange there is no network.
The market's clock is months behind the site's, by the same span all the time: the agent reckons with that.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from billing.invoicing.tasks import close_periods
from billing.rating.tasks import rate_ended_slots
from marketplace.agent import reconciling
from marketplace.agent.buffer import Buffer
from marketplace.agent.exchange import Exchange, connect
from marketplace.agent.reconciling import Reconciler
from marketplace.agent.slurm.commands import CommandFailed
from marketplace.agent.slurm.driver import SlurmDriver
from marketplace.agent.slurm.settings import Cards, Cluster
from marketplace.agreements.tasks import run_market_task
from marketplace.clock import HOUR, MarketClock
from marketplace.delivery.models import Delivery
from marketplace.delivery.tasks import schedule
from tests.agent.in_process import exchange_transport
from tests.billing.builders import make_billing_facts
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.e2e.market import START, Market
from tests.slurm.cluster import GRES, Slurm

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

END = START + HOUR
LIVE = timedelta(seconds=45)
"""How much of the delivery's hour is lived through: its last seconds."""


def objects(slurm: Slurm) -> list[str]:
    show = ("sacctmgr", "--noheader", "--parsable2", "show")
    return [slurm.run(*show, what) for what in ("qos", "account", "user", "association")]


def trade(market: Market) -> None:
    """Two cards for an hour at ¥10."""
    offer = {
        "fleet": market.fleet.pk, "cards": 2, "starts_at": START.isoformat(), "ends_at": END.isoformat(),
        "asks": ["10.00"],
    }  # fmt: skip
    market.post(market.owner, "offers", offer)
    wish = {
        "unit": "cards", "amount": "2", "limit": "12.00", "workload": "training", "hours": 1,
        "earliest_start": START.isoformat(), "deadline": END.isoformat(),
        "accelerator_models": [market.fleet.model.slug],
    }  # fmt: skip
    market.post(market.buyer, "requests", {"title": "Run", "currency": "CNY", "alternatives": [wish]})
    run_market_task()
    schedule()


def test_from_an_offer_to_an_invoice_over_real_jobs(
    slurm: Slurm,
    cast: Cast,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: Any,
) -> None:
    settings.BILLING_PERIOD = "hours:6"
    monkeypatch.setattr(reconciling, "SETTLE", 3)
    make_reference()
    make_billing_facts(cast.owner.jurisdiction)
    market = Market(cast, client, monkeypatch)
    trade(market)
    empty = objects(slurm)

    # From now on the clock goes, so that the last seconds of the delivery's hour begin.
    behind = datetime.now(UTC) - (END - LIVE)
    monkeypatch.setattr(MarketClock, "now", lambda _clock: datetime.now(UTC) - behind)
    cards = Cards(gres=GRES, partition="main", memory_gb="80")
    driver = SlurmDriver(Cluster({market.fleet.model.slug: cards}, {cast.buyer.pk: ("nobody",)}), slurm.run)
    buffer = Buffer.open(tmp_path / "buffer.sqlite3")
    with connect("http://testserver", cast.agent(cast.owner).auth, transport=exchange_transport()) as http:
        agent = Reconciler(Exchange(http), driver, buffer, full_every=0)
        assert agent.turn().problems == []
        delivery = Delivery.objects.get()
        assert delivery.state == "active"

        # The buyer's jobs: on both cards; more than it bought; one of either after the other.
        both = slurm.submit("nobody", f"--gres={GRES}:2", script="sleep 7")
        with pytest.raises(CommandFailed):
            slurm.submit("nobody", f"--gres={GRES}:3", script="true")
        one = slurm.submit("nobody", "--gres=gpu:1", script="sleep 4")
        last = slurm.submit("nobody", f"--gres={GRES}:1", script="sleep 600")
        slurm.until(both, "RUNNING", "COMPLETED")
        slurm.until(one, "RUNNING", "COMPLETED")
        ends = time.monotonic() + 150
        while Delivery.objects.get().state != "ended":
            assert agent.turn().problems == []
            assert time.monotonic() < ends
            time.sleep(1)
    buffer.close()
    assert objects(slurm) == empty
    assert driver.present() == frozenset()
    assert slurm.state(last) == "CANCELLED"

    # What Slurm accounted, to the end of the hour that was sold; clocks are compared in whole seconds.
    assert abs(agent.offset - behind.total_seconds()) <= 1
    over = int(END.timestamp()) + agent.offset
    accounted = 0
    for job in (both, one, last):
        [(elapsed, held, end)] = slurm.accounted(job)
        accounted += held * (elapsed - max(0, end - over))
    assert accounted > 25
    monkeypatch.setattr(MarketClock, "now", lambda _clock: END + 4 * HOUR)
    rate_ended_slots()
    close_periods()
    charges = market.get(market.buyer, "charges")["results"]
    usage, *given_back = sorted(charges, key=lambda charge: -Decimal(charge["amount"]))
    assert usage["quantity"] == accounted
    assert Decimal(usage["amount"]) == (Decimal(accounted) * 10 / 3600).quantize(Decimal("1e-12"))
    # So little of an hour came that part of it is given back; the invoice is the sum, rounded once.
    [invoice] = market.get(market.buyer, "invoices")["results"]
    owed = sum((Decimal(charge["amount"]) for charge in charges), Decimal())
    assert Decimal(invoice["total"]) == owed.quantize(Decimal("0.01"))
    assert len(given_back) == 1
