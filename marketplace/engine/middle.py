"""From the dearest prices towards the floors: the middle of the prices at which the refused forego least.

A refused request foregoes what it would have gained by having everything at one offer at the clearing
prices. As a price rises, that falls or stays; so at the dearest prices the refused forego least in all.
Each product's prices may come down from there, all its slots by the same share of the way to the floors,
as long as nobody who was refused foregoes more than at the dearest prices; the clearing prices are half of
that way down. What somebody foregoes is the most over all offers, and an offer is of one product: so how
far the prices of one product may come down does not depend on those of others.

Money here is in micro-units of the base currency, costs rounded down.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from marketplace.engine.columns import DIVISIBLE, GANGS, NEVER, Bytes, Demand, Supply
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints, Mask
from marketplace.engine.market import Market
from marketplace.engine.shelf import members
from marketplace.engine.snapshot import MICRO

WAY_BITS = 10
WHOLE_WAY = 1 << WAY_BITS
"""Shares of the way from the floors to the dearest prices are counted in 1/1024."""


class _Way(NamedTuple):
    """By (product, slot) the floors and the dearest prices, in micro-units of the product's currency; by
    product the ``base`` of that currency; by row its asks."""

    floors: Ints
    dearest: Ints
    base: Ints
    asks: Ints


class _Inside(NamedTuple):
    """``first`` is the first row of each product, and one more."""

    first: Ints
    supplied: Supply
    demanded: Demand
    bits: Bytes
    way: _Way


class _Refused(NamedTuple):
    """Wants that might have everything at one offer, and what each foregoes at the dearest prices."""

    want: Ints
    foregone: Ints


class _Costs(NamedTuple):
    """By row what a card costs up to each slot, and in the cheapest slot in which one is free."""

    total: Ints
    least: Ints


def middle(market: Market, waiting: Ints, floors: Ints, dearest: Ints) -> Ints:
    """The clearing prices between ``floors`` and ``dearest``; ``waiting`` are the refused requests."""
    facts, demanded = market.facts, market.demanded
    way = _Way(floors, dearest, np.array(facts.product_base, dtype=np.int64), facts.asks)
    first = np.searchsorted(market.supplied.product, np.arange(way.base.size + 1))
    inside = _Inside(first, market.supplied, demanded, market.bits(), way)
    wants = np.flatnonzero(np.isin(demanded.request, waiting) & _at_one_offer(demanded)).astype(np.int64)
    refused = _Refused(wants, np.zeros(wants.size, dtype=np.int64))
    rows, slots = market.supplied.free.shape
    costs = _Costs(np.zeros((rows, slots + 1), dtype=np.int64), np.zeros(rows, dtype=np.int64))
    _forego(inside, refused, costs)
    halfway = (_come_down(inside, refused, costs) + WHOLE_WAY) // 2
    return np.asarray(_part_of_way(floors, dearest, halfway[:, None]), dtype=np.int64)


def _at_one_offer(demanded: Demand) -> Mask:
    several = (demanded.kind == GANGS) & (demanded.amount > 1)
    return np.asarray((demanded.kind != DIVISIBLE) & ~several)


@compiled
def _part_of_way(floor: Any, dearest: Any, share: Any) -> Any:
    """Prices after a share of the way, rounded down; integers or arrays of them.

    In two halves, so that no product overflows.
    """
    way = dearest - floor
    return floor + (way >> WAY_BITS) * share + ((way & (WHOLE_WAY - 1)) * share >> WAY_BITS)


@compiled
def _forego(market: _Inside, refused: _Refused, costs: _Costs) -> None:
    """Fill in what the refused forego at the dearest prices, each at the offer where that is most."""
    for product in range(market.way.base.size):
        _price(market, costs, product, WHOLE_WAY)
    rows = np.empty(costs.least.size, dtype=np.int64)
    for index in range(refused.want.size):
        want = refused.want[index]
        worth, duration = market.demanded.worth[want], market.demanded.duration[want]
        for place in range(_eligible(market, want, rows)):
            row = rows[place]
            cards = _cards(market, want, row)
            if cards == 0:
                continue
            enough = _enough(worth, refused.foregone[index], cards)
            if costs.least[row] * duration >= enough:
                continue
            cost = _cheapest(market, want, row, cards, costs.total[row], enough)
            if cost < enough:
                refused.foregone[index] = worth - cards * cost


@compiled
def _come_down(market: _Inside, refused: _Refused, costs: _Costs) -> Ints:
    """By product the least share of the way at which nobody foregoes more than at the dearest prices."""
    shares = np.zeros(market.way.base.size, dtype=np.int64)
    for product in range(shares.size):
        _price(market, costs, product, 0)
    rows = np.empty(costs.least.size, dtype=np.int64)
    for index in range(refused.want.size):
        want = refused.want[index]
        worth, duration = market.demanded.worth[want], market.demanded.duration[want]
        for place in range(_eligible(market, want, rows)):
            row = rows[place]
            cards = _cards(market, want, row)
            if cards == 0:
                continue
            enough = _enough(worth, refused.foregone[index], cards)
            if costs.least[row] * duration >= enough:
                continue
            if _cheapest(market, want, row, cards, costs.total[row], enough) < enough:
                product = market.supplied.product[row]
                shares[product] = _share_needed(market, want, row, cards, shares[product], enough, costs)
                _price(market, costs, product, shares[product])
    return shares


@compiled
def _share_needed(
    market: _Inside, want: int, row: int, cards: int, low: int, enough: int, costs: _Costs
) -> int:
    """The least share, above ``low``, at which no run at the offer costs less; spoils its costs."""
    high = WHOLE_WAY
    while high - low > 1:
        half = (low + high) // 2
        _price_row(market, costs, row, half)
        if _cheapest(market, want, row, cards, costs.total[row], enough) < enough:
            low = half
        else:
            high = half
    return high


@compiled
def _price(market: _Inside, costs: _Costs, product: int, share: int) -> None:
    """Note what cards of a product cost at the prices after a share of the way."""
    for row in range(market.first[product], market.first[product + 1]):
        _price_row(market, costs, row, share)


@compiled
def _price_row(market: _Inside, costs: _Costs, row: int, share: int) -> None:
    """A card costs the ask of its offer, or the price where that is higher."""
    product, least, total = market.supplied.product[row], NEVER, costs.total[row]
    base = market.way.base[product]
    for slot in range(total.size - 1):
        price = _part_of_way(market.way.floors[product, slot], market.way.dearest[product, slot], share)
        hourly = max(market.way.asks[row, slot], price)
        cost = hourly // MICRO * base + hourly % MICRO * base // MICRO
        total[slot + 1] = total[slot] + cost
        if market.supplied.free[row, slot] > 0:
            least = min(least, cost)
    costs.least[row] = min(least, NEVER // total.size)


@compiled
def _eligible(market: _Inside, want: int, rows: Ints) -> int:
    """Write the rows of the offers that serve the want; how many they are."""
    bits = market.bits[market.demanded.profile[want]]
    return members(bits, 0, bits.size, rows)


@compiled
def _cards(market: _Inside, want: int, row: int) -> int:
    """The cards that all of the want needs at the offer; 0 if that is not known or it never has so many."""
    model, lot = market.supplied.model[row], market.supplied.lot[row]
    rate = market.demanded.rate[want, model]
    if rate == 0:
        return 0
    gangs = market.demanded.kind[want] == GANGS
    needed = market.demanded.part[want, model] if gangs else (market.demanded.amount[want] + rate - 1) // rate
    cards = (needed + lot - 1) // lot * lot
    return cards if cards <= market.supplied.size[row] else 0


@compiled
def _enough(worth: int, foregone: int, cards: int) -> int:
    """The cost of a card from which on no more is foregone than ``foregone``."""
    return (worth - foregone + cards - 1) // cards


@compiled
def _cheapest(market: _Inside, want: int, row: int, cards: int, total: Ints, below: int) -> int:
    """What a card costs over the cheapest run in which the offer had so many, if that is below a cost."""
    free, duration = market.supplied.free[row], market.demanded.duration[want]
    power, open_hours = market.demanded.power[want], market.supplied.open
    unbroken = 0
    for slot in range(market.demanded.earliest[want], market.demanded.deadline[want]):
        there = power == 0 or open_hours[power - 1, row, slot]
        unbroken = unbroken + 1 if there and free[slot] >= cards else 0
        if unbroken >= duration:
            below = min(below, total[slot + 1] - total[slot + 1 - duration])
    return below
