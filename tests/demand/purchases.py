"""What a buyer bought in earlier runs: allocations of a request, and the agreements made of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from marketplace.agreements.models import Agreement
from marketplace.agreements.services import conclude
from marketplace.clearing.models import Allocation, MarketRun
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer
from tests.factories import HOUR, START, make_profile_version


def buy(
    request: ComputeRequest,
    offer: Offer,
    *,
    cards: int,
    hours: int,
    start: datetime = START,
    price: str = "10",
    fx_rate: str = "1",
) -> Agreement:
    """Cards of an offer for a request at one price, as a run leaves them; the request is matched."""
    run, _ = MarketRun.objects.get_or_create(
        state="failed",
        defaults={
            "opened_at": start,
            "horizon_start": start,
            "slots": 168,
            "base_currency": "CNY",
            "profile_version": make_profile_version(),
        },
    )
    allocation = Allocation.objects.create(
        run=run,
        request=request,
        alternative=request.alternatives.get(),
        offer=offer,
        cards=cards,
        starts_at=start,
        ends_at=start + hours * HOUR,
        currency=offer.currency,
        prices=[Decimal(price)] * hours,
        fx_rate=Decimal(fx_rate),
    )
    ComputeRequest.objects.filter(pk=request.pk, state="open").update(state="matched")
    (agreement,) = conclude([allocation], run=run, now=start - HOUR)
    return agreement
