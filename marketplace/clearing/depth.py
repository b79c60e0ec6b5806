"""Supply and demand of a product in one hour, as steps that cross where the last run priced it.

What that run sold stands with its ask and its buyer's limit; beside it what is still for sale, and the open
requests that would take the chip, by their limits. Whether they also meet each other's constraints is for the
runs to find out: these are the two sides of the market, not a promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
from django.core.cache import cache
from django.db.models import Case, DecimalField, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Round

from marketplace.catalogue.models import Zone
from marketplace.clearing.models import Allocation, ClearingPrice
from marketplace.clearing.quote_book import QuotesInPreparation, current
from marketplace.clearing.results import from_micro
from marketplace.clock import HOUR
from marketplace.demand.models import Alternative, ComputeRequest

KEPT_SECONDS = 600
MOST_STEPS = 400
"""More different prices than that nobody tells apart on a screen: the nearest to the market are drawn."""

Step = tuple[Decimal, Decimal]
"""Cards, and the price of a card-hour."""

Rates = Mapping[str, Decimal]

PRICE = DecimalField(max_digits=30, decimal_places=6)


@dataclass(frozen=True, slots=True)
class MarketDepth:
    """Both sides of a product in the hour ``slot``, in the currency of its zone."""

    slot: datetime
    run: int
    price: Decimal
    sold: Decimal
    supply: Sequence[Step]
    demand: Sequence[Step]


def depth_of(priced: ClearingPrice, *, model: str, zone: Zone, rates: Rates) -> MarketDepth:
    """Around the newest price of a product; kept until the next run prices that hour. ``rates`` are what a
    card does in each workload class that is known.
    """
    key = f"depth:{priced.run_id}:{priced.model_id}:{zone.pk}:{priced.slot:%Y%m%d%H}"
    found: MarketDepth = cache.get_or_set(key, lambda: _read(priced, model, zone, rates), KEPT_SECONDS)  # type: ignore[assignment]
    return found


def _read(priced: ClearingPrice, model: str, zone: Zone, rates: Rates) -> MarketDepth:
    sold = list(_sold(priced))
    supply = [(cards, ask) for cards, ask, _ in sold] + list(_for_sale(model, zone, priced.slot))
    demand = [(cards, limit) for cards, _, limit in sold] + list(_wanted(model, zone, priced.slot, rates))
    return MarketDepth(
        slot=priced.slot,
        run=priced.run_id,
        price=priced.price,
        sold=sum((cards for cards, _, _ in sold), Decimal(0)),
        supply=sorted(supply, key=lambda step: step[1])[:MOST_STEPS],
        demand=sorted(demand, key=lambda step: -step[1])[:MOST_STEPS],
    )


def _sold(priced: ClearingPrice) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
    """Cards, ask and limit of what the run sold in that hour, for a card-hour."""
    rows = Allocation.objects.filter(
        run=priced.run_id,
        offer__fleet__model=priced.model_id,
        offer__fleet__site__region__zone=priced.zone_id,
        starts_at__lte=priced.slot,
        ends_at__gt=priced.slot,
    ).select_related("offer", "alternative")
    for row in rows:
        asks, hour = row.offer.asks, (priced.slot - row.offer.starts_at) // HOUR
        ask = asks[hour] if len(asks) > 1 else asks[0]
        yield Decimal(row.cards), ask, _limit_of_a_card(row)


def _limit_of_a_card(row: Allocation) -> Decimal:
    """What the buyer would have paid at most for a card-hour, in the offer's currency."""
    wanted, card_hours = row.alternative, row.cards * len(row.prices)
    worth = wanted.budget
    if worth is None:
        is_cards = wanted.unit == Alternative.AmountUnit.CARDS
        worth = (wanted.limit or Decimal(0)) * (card_hours if is_cards else wanted.amount * wanted.hours)
    return worth / card_hours / row.fx_rate


def _for_sale(model: str, zone: Zone, slot: datetime) -> Iterator[Step]:
    """What is free in that hour, at its ask, or at the last price where that is higher."""
    try:
        prepared, _at = current()
    except QuotesInPreparation:
        return
    book, at = prepared.book, (slot - prepared.start) // HOUR
    product = (model, zone.slug, zone.currency)
    if product not in book.facts.products or not 0 <= at < book.slots:
        return
    rows = np.flatnonzero(book.facts.product == book.facts.products.index(product))
    for price in np.unique(book.hourly[rows, at]):
        cards = int(book.free[rows[book.hourly[rows, at] == price], at].sum())
        if cards:
            yield Decimal(cards), from_micro(int(price))


def _wanted(model: str, zone: Zone, slot: datetime, rates: Rates) -> Iterator[Step]:
    """Open requests in the zone's currency that would take the chip in that hour, by limit to the cent."""
    rate = Case(
        When(unit=Alternative.AmountUnit.CARDS, then=Value(Decimal(1))),
        *(When(workload=workload, then=Value(known)) for workload, known in rates.items()),
        output_field=PRICE,
    )
    rows = _open(model, zone, slot).annotate(rate=rate).exclude(rate=None)
    limit = Case(
        When(budget=None, then=F("limit")),
        default=F("budget") / (F("amount") * F("hours")),
        output_field=PRICE,
    )
    steps = rows.annotate(step=Round(limit * F("rate"), 2, output_field=PRICE)).values("step")
    for row in steps.annotate(cards=Sum(F("amount") / F("rate"), output_field=PRICE)).order_by("-step")[
        :MOST_STEPS
    ]:
        yield row["cards"], row["step"]


def _open(model: str, zone: Zone, slot: datetime) -> QuerySet[Alternative]:
    return Alternative.objects.filter(
        Q(accelerator_models=None) | Q(accelerator_models__slug=model),
        request__state=ComputeRequest.State.OPEN,
        request__currency=zone.currency,
        request__under=None,
        earliest_start__lte=slot,
        deadline__gt=slot,
    ).order_by()
