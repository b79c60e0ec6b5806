"""Selling hours of an offer as a market run does: by inserting an allocation."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplace.clearing.models import Allocation, MarketRun
from marketplace.supply.models import Offer
from tests.factories import HOUR, make_request


def sell(offer: Offer, *, cards: int, start: datetime, hours: int, **facts: Any) -> Allocation:
    request = make_request(cards=cards, start=start, hours=hours, currency=offer.currency)
    run, _ = MarketRun.objects.get_or_create(
        state="failed",
        defaults={"opened_at": start, "horizon_start": start, "slots": 168, "base_currency": "CNY"},
    )
    return Allocation.objects.create(
        **{
            "run": run,
            "request": request,
            "alternative": request.alternatives.get(),
            "offer": offer,
            "cards": cards,
            "starts_at": start,
            "ends_at": start + hours * HOUR,
            "currency": offer.currency,
            "prices": [Decimal(11)] * hours,
            "fx_rate": 1,
        }
        | facts
    )
