"""Does everybody pay and receive what was promised?

Prices may be any integers that somebody has written down, so sums of them are Python's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from marketplace.engine.result import Placement, Result
from marketplace.engine.snapshot import MICRO, Budget
from marketplace.engine.verification.columns import FAR, Ints, Mask
from marketplace.engine.verification.market import Market, Product, by_request, divided_up, slots_of
from marketplace.engine.verification.rules import Broken, Rule

Prices = dict[Product, list[int | None]]
"""The price of a product by slot; ``None`` where it has none."""

Payments = dict[int, Counter[str]]
"""What each request pays, micro-units by currency."""


def money_rules(market: Market, result: Result, placements: list[Placement]) -> Iterator[Broken]:
    """Prices, limits, asks, budgets, balance, surplus; ``placements`` name known things."""
    prices, strays = _prices(market, result)
    yield from strays
    sold = market.columns.sold(placements)
    yield from _price_rows(market, prices, sold)
    yield from _asks(market, prices, sold)
    payments = {request: _paid(market, prices, group) for request, group in by_request(placements).items()}
    yield from _limits(market, payments, placements)
    yield from _budgets(market, payments)
    yield from _balance(market, prices, sold, payments)
    yield from _surplus(market, result, placements)


def _prices(market: Market, result: Result) -> tuple[Prices, list[Broken]]:
    """The result's prices by product, and complaints about those of nothing that could be sold."""
    slots = market.snapshot.slots
    prices: Prices = {market.product(offer): [None] * slots for offer in market.snapshot.offers}
    strays = []
    for row in result.prices:
        product = (row.model, row.zone, row.currency)
        if product in prices and 0 <= row.slot < slots:
            prices[product][row.slot] = row.price
        else:
            strays.append(_priced_for_nothing(product, row.slot))
    return prices, strays


def _price_rows(market: Market, prices: Prices, sold: Ints) -> Iterator[Broken]:
    """A price for exactly what was sold."""
    accepted: dict[Product, Mask] = {
        product: np.zeros(market.snapshot.slots, dtype=np.bool_) for product in prices
    }
    for offer in market.snapshot.offers:
        accepted[market.product(offer)] |= sold[market.columns.row[offer.id]] > 0
    for product in sorted(prices):
        for slot, (price, sells) in enumerate(zip(prices[product], accepted[product].tolist(), strict=True)):
            if sells and price is None:
                yield Broken(Rule.PRICE, f"{_named(product, slot)} was sold but has no price")
            elif price is not None and not sells:
                yield _priced_for_nothing(product, slot)


def _asks(market: Market, prices: Prices, sold: Ints) -> Iterator[Broken]:
    """No owner gets less than its ask in any slot."""
    columns = {product: _comparable(own) for product, own in prices.items()}
    for offer in market.snapshot.offers:
        row = market.columns.row[offer.id]
        paid, asks = columns[market.product(offer)], market.columns.asks[row]
        for slot in np.flatnonzero((sold[row] > 0) & (paid < asks)).tolist():
            yield Broken(Rule.ASK, f"offer {offer.id} asks {asks[slot]} in slot {slot} and gets {paid[slot]}")


def _comparable(prices: list[int | None]) -> Ints:
    """Prices as an array to compare with asks, which lie between 0 and ``FAR``."""
    return np.array([FAR if each is None else max(-1, min(each, FAR)) for each in prices], dtype=np.int64)


def _limits(market: Market, payments: Payments, placements: list[Placement]) -> Iterator[Broken]:
    """No buyer pays more than its limit for what is filled, converted at the snapshot's rates."""
    for request, group in by_request(placements).items():
        base = market.base[market.requests[request].currency]
        paid = divided_up(_pico(market, payments[request]), base)
        worth = market.worth(market.chosen(group[0]), group)
        if paid > worth:
            yield Broken(Rule.LIMIT, f"request {request} pays {paid}, over its limit of {worth}")


def _budgets(market: Market, payments: Payments) -> Iterator[Broken]:
    """Requests with a budget pay no more than it together, converted as a payment is for a limit."""
    for budget in market.snapshot.budgets:
        paid = divided_up(_together(market, budget, payments), market.base[budget.currency])
        if paid > budget.amount:
            yield Broken(
                Rule.BUDGET, f"the requests of budget {budget.id} pay {paid} together, over {budget.amount}"
            )


def _together(market: Market, budget: Budget, payments: Payments) -> int:
    return sum(_pico(market, payments[request]) for request in budget.requests if request in payments)


def _balance(market: Market, prices: Prices, sold: Ints, payments: Payments) -> Iterator[Broken]:
    """What buyers pay, run by run, is what owners receive, slot by slot, in each currency."""
    pay: Counter[str] = Counter()
    for paid in payments.values():
        pay.update(paid)
    receive: Counter[str] = Counter()
    for offer in market.snapshot.offers:
        own = prices[market.product(offer)]
        cards = sold[market.columns.row[offer.id]].tolist()
        receive[market.site(offer).currency] += sum(
            number * (price or 0) for number, price in zip(cards, own, strict=True) if number
        )
    for currency in sorted(pay.keys() | receive.keys()):
        if pay[currency] != receive[currency]:
            yield Broken(
                Rule.BALANCE,
                f"buyers pay {pay[currency]} {currency}, owners receive {receive[currency]}",
            )


def _paid(market: Market, prices: Prices, group: list[Placement]) -> Counter[str]:
    """What one buyer pays, micro-units by currency: the price of every card-hour it gets."""
    paid: Counter[str] = Counter()
    for placement in group:
        product = market.product(market.offers[placement.offer])
        run = prices[product][placement.first_slot : placement.first_slot + placement.slots]
        paid[product[2]] += sum(price or 0 for price in run) * placement.cards
    return paid


def _pico(market: Market, paid: Counter[str]) -> int:
    return sum(amount * market.base[currency] for currency, amount in paid.items())


def _surplus(market: Market, result: Result, placements: list[Placement]) -> Iterator[Broken]:
    """Limit value less ask cost, and that less what emissions count for; each rounded down once."""
    surplus, emissions = 0, 0
    for request, group in by_request(placements).items():
        worth = market.worth(market.chosen(group[0]), group)
        surplus += worth * market.base[market.requests[request].currency]
        for placement in group:
            offer = market.offers[placement.offer]
            surplus -= _asked(market, placement) * placement.cards * market.base[market.site(offer).currency]
            emissions += placement.cards * sum(market.emission(offer, slot) for slot in slots_of(placement))
    objective = (surplus - emissions) // MICRO
    if result.surplus != surplus // MICRO:
        yield Broken(Rule.SURPLUS, f"the surplus is {surplus // MICRO}, not {result.surplus}")
    if result.objective != objective:
        yield Broken(Rule.OBJECTIVE, f"the objective is {objective}, not {result.objective}")


def _asked(market: Market, placement: Placement) -> int:
    """What the owner asks for one card over the run; an hour outside its window adds nothing."""
    row = market.columns.row[placement.offer]
    run = market.columns.asks[row, placement.first_slot : placement.first_slot + placement.slots]
    return int(run.sum())


def _priced_for_nothing(product: Product, slot: int) -> Broken:
    return Broken(Rule.PRICE, f"{_named(product, slot)} has a price but was not sold")


def _named(product: Product, slot: int) -> str:
    model, zone, currency = product
    return f"{model} in {zone} ({currency}) in slot {slot}"
