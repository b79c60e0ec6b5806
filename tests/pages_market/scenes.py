"""Runs, prices and explanations written straight to the database, for pages that only show them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from marketplace.catalogue.models import AcceleratorModel, FxRate, PerformanceProfile, Zone
from marketplace.clearing.models import ClearingPrice, Explanation, MarketRun
from marketplace.demand.models import ComputeRequest
from tests.conftest import NOW
from tests.factories import HOUR, START, make_model, make_profile_version, make_zone


def signed_in(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def queries_of(client: Client, address: str) -> int:
    """How many queries a page takes; it must be shown."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def make_rates() -> None:
    for currency, cny in (("CNY", "1"), ("USD", "7"), ("EUR", "8")):
        FxRate.objects.get_or_create(
            currency=currency,
            valid_from=NOW - timedelta(days=1),
            defaults={"cny": Decimal(cny), "source": "a test"},
        )


def make_run(**facts: Any) -> MarketRun:
    """A committed run that matched 3 of 4 requests, and is proven to have reached 99.39 % of the best."""
    make_rates()
    return MarketRun.objects.create(
        **{
            "state": "committed",
            "opened_at": NOW - timedelta(minutes=5),
            "committed_at": NOW - timedelta(minutes=5),
            "horizon_start": START,
            "slots": 168,
            "base_currency": "CNY",
            "profile_version": make_profile_version(),
            "snapshot": b"",
            "snapshot_digest": "a" * 64,
            "result": b"",
            "result_digest": uuid.uuid4().hex * 2,
            "engine": "a test",
            "requests_open": 4,
            "requests_matched": 3,
            "offers_open": 7,
            "card_hours_free": 1000,
            "card_hours_sold": 250,
            "surplus": Decimal("1234.5"),
            "objective": Decimal("1234.5"),
            "bound": Decimal(1242),
            "repriced": 0,
            "refused_in_money": 0,
            "foregone": Decimal(0),
            "snapshot_ms": 120,
            "clear_ms": 1800,
            "verify_ms": 310,
        }
        | facts
    )


def make_price(
    run: MarketRun,
    price: str,
    *,
    cards: int = 8,
    model: AcceleratorModel | None = None,
    zone: Zone | None = None,
    slot: datetime = START,
) -> ClearingPrice:
    zone = zone or make_zone()
    return ClearingPrice.objects.create(
        run=run,
        model=model or make_model(),
        zone=zone,
        slot=slot,
        currency=zone.currency,
        price=Decimal(price),
        cards=cards,
    )


def make_profile(model: AcceleratorModel, rate: str, workload: str = "training", **facts: Any) -> None:
    PerformanceProfile.objects.create(
        **{
            "version": make_profile_version(),
            "model": model,
            "workload": workload,
            "rate": Decimal(rate),
            "lower": Decimal(rate) / 2,
            "upper": Decimal(rate) * 2,
            "evidence_kind": "datasheet",
            "evidence": {"peak_tflops": "989", "relative": "1.0000", "set_aside": []},
        }
        | facts
    )


def make_explanation(
    run: MarketRun,
    request: ComputeRequest,
    *,
    outcome: str = "unmatched",
    binding: str = "limit",
    removed: Sequence[tuple[str, int]] = (("memory", 3), ("limit", 7)),
    remedy: dict[str, Any] | None = None,
    price: str | None = None,
    foregone: str = "0",
) -> Explanation:
    matched = outcome == "matched"
    return Explanation.objects.create(
        run=run,
        request=request,
        outcome=outcome,
        binding="" if matched else binding,
        price=None if price is None else Decimal(price),
        foregone=Decimal(foregone),
        details={
            "request": request.pk,
            "outcome": outcome,
            "binding": None if matched else binding,
            "funnels": [{"alternative": 0, "offers": 10, "removed": [list(step) for step in removed]}],
            "remedy": remedy,
        },
    )


def make_products(run: MarketRun, count: int) -> None:
    """Products with prices over four hours each."""
    for number in range(count):
        model = make_model(f"chip-{number}")
        for hour in range(4):
            make_price(run, str(10 + number), model=model, slot=START + hour * HOUR)
