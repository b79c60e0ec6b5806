"""The market of a term agreement in nP-hours: what its offers ask, and how much its requests bear.

What is called off is paid by what the cards do. A card of it therefore costs the agreed price × its nP, and
whatever is placed, the buyer pays what was agreed. Cards are whole, so some work beyond the amount may have
to be taken, less than a card does. The limits of the snapshot have room for that, so that no call-off fails
for its price; nobody pays them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import structlog

from marketplace.clearing.snapshot.units import micro
from marketplace.demand.models import MOST_WORTH
from marketplace.engine import MICRO
from marketplace.engine import snapshot as engine
from marketplace.engine.validation import MAX_MONEY
from marketplace.supply.models import HIGHEST_PRICE
from marketplace.terms.sheet import card_price

log = structlog.get_logger(__name__)


def in_np_hours(market: engine.Snapshot, workload: str, price: Decimal) -> engine.Snapshot:
    """The snapshot with its offers at the price of an nP-hour of the class; without those that have none."""
    rates = {
        model.slug: rate.point for model in market.models for rate in model.rates if rate.workload == workload
    }
    asks = {slug: _ask(price, rate) for slug, rate in rates.items()}
    offers = [offer for offer in market.offers if asks.get(offer.model)]
    if len(offers) < len(market.offers):
        log.error("offers_wait_for_facts", profile=len(market.offers) - len(offers))
    card = max((rates[offer.model] for offer in offers), default=0)
    return replace(
        market,
        offers=tuple(_at(asks, offer) for offer in offers),
        requests=tuple(_with_room(request, micro(price, ROUND_FLOOR), card) for request in market.requests),
    )


def _ask(price: Decimal, rate: int) -> int:
    """Micro-units of a card-hour; 0 where that is no price."""
    found = card_price(price, Decimal(rate) / MICRO)
    return micro(found, ROUND_FLOOR) if found <= HIGHEST_PRICE else 0


def _at(asks: Mapping[str, int], offer: engine.Offer) -> engine.Offer:
    return replace(offer, asks=(asks[offer.model],) * len(offer.free))


def _with_room(request: engine.Request, price: int, card: int) -> engine.Request:
    bearing = (replace(each, limit=_limit(each, price, card)) for each in request.alternatives)
    return replace(request, alternatives=tuple(bearing))


def _limit(wanted: engine.Alternative, price: int, card: int) -> int:
    """What pays for the amount and for less than a ``card`` beyond it, micro-nP, wherever cards are counted.

    That is in each gang, and of divisible work in each hour of the window.
    """
    whole, beyond = wanted.amount, card * max(wanted.gangs, 1)
    if wanted.divisible:
        whole, beyond = wanted.amount * wanted.duration, card * (wanted.deadline - wanted.earliest)
    most = int(MOST_WORTH) * MICRO * MICRO // (wanted.amount * wanted.duration)
    bearable: int = -(-price * (whole + beyond) // whole)
    return min(bearable, most, MAX_MONEY)
