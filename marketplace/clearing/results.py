"""What a run writes down beside its allocations: prices, explanations, and what became of offers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec
from django.db import connection
from psycopg import Copy

from marketplace import engine
from marketplace.catalogue.models import AcceleratorModel, Zone
from marketplace.clearing.models import ClearingPrice, MarketRun
from marketplace.clock import HOUR


def from_micro(value: int) -> Decimal:
    return Decimal(value).scaleb(-6)


def record_prices(run: MarketRun, market: engine.Snapshot, result: engine.Result) -> None:
    models = dict(AcceleratorModel.objects.values_list("slug", "pk"))
    zones = dict(Zone.objects.values_list("slug", "pk"))
    cards = _cards_sold(market, result)
    ClearingPrice.objects.bulk_create(
        ClearingPrice(
            run=run,
            model_id=models[price.model],
            zone_id=zones[price.zone],
            slot=run.horizon_start + price.slot * HOUR,
            currency=price.currency,
            price=from_micro(price.price),
            cards=cards[price.model, price.zone, price.slot],
        )
        for price in result.prices
    )


def _cards_sold(market: engine.Snapshot, result: engine.Result) -> dict[tuple[str, str, int], int]:
    zones = {site.id: site.zone for site in market.sites}
    products = {offer.id: (offer.model, zones[offer.site]) for offer in market.offers}
    sold: dict[tuple[str, str, int], int] = defaultdict(int)
    for placement in result.placements:
        for slot in range(placement.first_slot, placement.first_slot + placement.slots):
            sold[*products[placement.offer], slot] += placement.cards
    return sold


def record_explanations(run: MarketRun, result: engine.Result) -> None:
    """By COPY: a national run has 100,000 of them, and inserting them takes several times as long."""
    columns = "run_id, request_id, outcome, binding, price, foregone, details"
    with _copy_into(f"clearing_explanation ({columns})") as rows:
        for said in result.explanations:
            price = None if said.price is None else from_micro(said.price)
            details = msgspec.json.encode(said).decode()
            decided = (said.outcome, said.binding or "", price, from_micro(said.foregone), details)
            rows.write_row((run.pk, said.request, *decided))


def record_offers(run: MarketRun, result: engine.Result) -> None:
    with _copy_into("clearing_offeroutcome (run_id, offer_id, free, sold, ask, card_hours)") as rows:
        for outcome in result.offers:
            remedy = outcome.remedy
            more = (from_micro(remedy.ask), remedy.card_hours) if remedy else (None, None)
            rows.write_row((run.pk, outcome.offer, outcome.free, outcome.sold, *more))


@contextmanager
def _copy_into(table: str) -> Iterator[Copy]:
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN") as rows,
    ):
        yield rows
