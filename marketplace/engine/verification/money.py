"""Does everybody pay and receive what was promised?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from marketplace.engine.result import Placement, Result
from marketplace.engine.snapshot import MICRO
from marketplace.engine.verification.market import Market, Product, by_request, slots_of
from marketplace.engine.verification.rules import Broken, Rule

Prices = dict[tuple[Product, int], int]


def money_rules(market: Market, result: Result, placements: list[Placement]) -> Iterator[Broken]:
    """Prices, limits, asks, balance and surplus; ``placements`` name known things."""
    prices: Prices = {((row.model, row.zone, row.currency), row.slot): row.price for row in result.prices}
    yield from _price_rows(market, prices, placements)
    yield from _asks(market, prices, placements)
    yield from _limits(market, prices, placements)
    yield from _balance(market, prices, placements)
    yield from _surplus(market, result, placements)


def _price_rows(market: Market, prices: Prices, placements: list[Placement]) -> Iterator[Broken]:
    """A price for exactly what was sold: the highest accepted ask."""
    accepted: Prices = {}
    for placement in placements:
        product = market.product(market.offers[placement.offer])
        for slot in slots_of(placement):
            key = (product, slot)
            accepted[key] = max(accepted.get(key, 0), _ask(market, placement.offer, slot))
    for key in sorted(accepted.keys() | prices.keys()):
        if key not in prices:
            yield Broken(Rule.PRICE, f"{_named(key)} was sold but has no price")
        elif key not in accepted:
            yield Broken(Rule.PRICE, f"{_named(key)} has a price but was not sold")
        elif prices[key] != accepted[key]:
            yield Broken(
                Rule.PRICE,
                f"{_named(key)} costs {prices[key]}, but the highest accepted ask is {accepted[key]}",
            )


def _asks(market: Market, prices: Prices, placements: list[Placement]) -> Iterator[Broken]:
    """No owner gets less than its ask in any slot."""
    for placement in placements:
        product = market.product(market.offers[placement.offer])
        for slot in slots_of(placement):
            ask, price = _ask(market, placement.offer, slot), prices.get((product, slot), 0)
            if price < ask:
                yield Broken(Rule.ASK, f"offer {placement.offer} asks {ask} in slot {slot} and gets {price}")


def _limits(market: Market, prices: Prices, placements: list[Placement]) -> Iterator[Broken]:
    """No buyer pays more than its limit for what is filled, converted at the snapshot's rates."""
    for request, group in by_request(placements).items():
        base_total = sum(
            paid * market.base[currency] for currency, paid in _payments(market, prices, group).items()
        )
        paid = -(-base_total // market.base[market.requests[request].currency])
        worth = market.worth(market.chosen(group[0]), group)
        if paid > worth:
            yield Broken(Rule.LIMIT, f"request {request} pays {paid}, over its limit of {worth}")


def _balance(market: Market, prices: Prices, placements: list[Placement]) -> Iterator[Broken]:
    """What buyers pay is what owners receive, in each currency."""
    pay: Counter[str] = Counter()
    for group in by_request(placements).values():
        pay.update(_payments(market, prices, group))
    receive = _receipts(market, prices, placements)
    for currency in sorted(pay.keys() | receive.keys()):
        if pay[currency] != receive[currency]:
            yield Broken(
                Rule.BALANCE,
                f"buyers pay {pay[currency]} {currency}, owners receive {receive[currency]}",
            )


def _payments(market: Market, prices: Prices, group: list[Placement]) -> Counter[str]:
    """What one buyer pays, micro-units by currency: the price of every card-hour it gets."""
    paid: Counter[str] = Counter()
    for placement in group:
        product = market.product(market.offers[placement.offer])
        hourly = sum(prices.get((product, slot), 0) for slot in slots_of(placement))
        paid[product[2]] += hourly * placement.cards
    return paid


def _receipts(market: Market, prices: Prices, placements: list[Placement]) -> Counter[str]:
    """What owners receive, micro-units by currency: cards sold in each slot at its price."""
    cards: Counter[tuple[int, int]] = Counter()
    for placement in placements:
        for slot in slots_of(placement):
            cards[placement.offer, slot] += placement.cards
    received: Counter[str] = Counter()
    for (identity, slot), number in cards.items():
        offer = market.offers[identity]
        price = prices.get((market.product(offer), slot), 0)
        received[market.site(offer).currency] += number * price
    return received


def _surplus(market: Market, result: Result, placements: list[Placement]) -> Iterator[Broken]:
    """Limit value less ask cost, in 1e-12 of the base currency, rounded down once."""
    total = 0
    for request, group in by_request(placements).items():
        worth = market.worth(market.chosen(group[0]), group)
        total += worth * market.base[market.requests[request].currency]
        for placement in group:
            asks = sum(_ask(market, placement.offer, slot) for slot in slots_of(placement))
            currency = market.site(market.offers[placement.offer]).currency
            total -= asks * placement.cards * market.base[currency]
    if result.surplus != total // MICRO:
        yield Broken(Rule.SURPLUS, f"the surplus is {total // MICRO}, not {result.surplus}")


def _ask(market: Market, identity: int, slot: int) -> int:
    """The offer's ask in a slot; 0 outside its window, where the capacity rule objects."""
    offer = market.offers[identity]
    position = slot - offer.first_slot
    return offer.asks[position] if 0 <= position < len(offer.asks) else 0


def _named(key: tuple[Product, int]) -> str:
    (model, zone, currency), slot = key
    return f"{model} in {zone} ({currency}) in slot {slot}"
