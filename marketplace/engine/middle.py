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

from marketplace.engine.columns import DIVISIBLE, GANGS, NEVER, Bytes, Demand, Supply, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints, Mask
from marketplace.engine.market import Market
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
    supplied: Supply
    demanded: Demand
    bits: Bytes
    way: _Way


class _Refused(NamedTuple):
    """Wants that might have everything at one offer, and what each foregoes at the dearest prices."""

    want: Ints
    foregone: Ints


def middle(market: Market, waiting: Ints, floors: Ints, dearest: Ints) -> Ints:
    """The clearing prices between ``floors`` and ``dearest``; ``waiting`` are the refused requests."""
    facts, demanded = market.facts, market.demanded
    way = _Way(floors, dearest, np.array(facts.product_base, dtype=np.int64), facts.asks)
    inside = _Inside(market.supplied, demanded, market.bits(), way)
    wants = np.flatnonzero(np.isin(demanded.request, waiting) & _at_one_offer(demanded)).astype(np.int64)
    refused = _Refused(wants, np.zeros(wants.size, dtype=np.int64))
    _forego(inside, refused)
    halfway = (_come_down(inside, refused) + WHOLE_WAY) // 2
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
def _forego(market: _Inside, refused: _Refused) -> None:
    """Fill in what the refused forego at the dearest prices, each at the offer where that is most."""
    total = np.zeros(market.way.floors.shape[1] + 1, dtype=np.int64)
    for row in range(market.supplied.lot.size):
        least = _total_costs(market, row, WHOLE_WAY, total)
        for index in range(refused.want.size):
            want = refused.want[index]
            cards = _cards(market, want, row)
            if cards == 0:
                continue
            worth = market.demanded.worth[want]
            enough = _enough(worth, refused.foregone[index], cards)
            if least * market.demanded.duration[want] >= enough:
                continue
            cost = _cheapest(market, want, row, cards, total, enough)
            if cost < enough:
                refused.foregone[index] = worth - cards * cost


@compiled
def _come_down(market: _Inside, refused: _Refused) -> Ints:
    """By product the least share of the way at which nobody foregoes more than at the dearest prices."""
    total = np.zeros(market.way.floors.shape[1] + 1, dtype=np.int64)
    shares = np.zeros(market.way.base.size, dtype=np.int64)
    for row in range(market.supplied.lot.size):
        product = market.supplied.product[row]
        least = _total_costs(market, row, shares[product], total)
        for index in range(refused.want.size):
            want = refused.want[index]
            cards = _cards(market, want, row)
            if cards == 0:
                continue
            enough = _enough(market.demanded.worth[want], refused.foregone[index], cards)
            if least * market.demanded.duration[want] >= enough:
                continue
            if _cheapest(market, want, row, cards, total, enough) < enough:
                share = _share_needed(market, want, row, cards, shares[product], enough, total)
                shares[product] = share
                least = _total_costs(market, row, share, total)
    return shares


@compiled
def _share_needed(
    market: _Inside,
    want: int,
    row: int,
    cards: int,
    low: int,
    enough: int,
    total: Ints,
) -> int:
    """The least share, above ``low``, at which no run at the offer costs less than enough."""
    high = WHOLE_WAY
    while high - low > 1:
        half = (low + high) // 2
        _total_costs(market, row, half, total)
        if _cheapest(market, want, row, cards, total, enough) < enough:
            low = half
        else:
            high = half
    return high


@compiled
def _total_costs(market: _Inside, row: int, share: int, total: Ints) -> int:
    """What a card of the offer costs up to each slot: its ask, or the price after a share of the way.

    Returns what it costs in the cheapest slot.
    """
    product, least = market.supplied.product[row], NEVER
    base = market.way.base[product]
    for slot in range(total.size - 1):
        price = _part_of_way(market.way.floors[product, slot], market.way.dearest[product, slot], share)
        hourly = max(market.way.asks[row, slot], price)
        cost = hourly // MICRO * base + hourly % MICRO * base // MICRO
        total[slot + 1] = total[slot] + cost
        if market.supplied.free[row, slot] > 0:
            least = min(least, cost)
    return min(least, NEVER // total.size)


@compiled
def _cards(market: _Inside, want: int, row: int) -> int:
    """The cards that all of the want needs at the offer; 0 where it does not serve, or has never so many."""
    model, lot = market.supplied.model[row], market.supplied.lot[row]
    rate = market.demanded.rate[want, model]
    if rate == 0 or not serves(market.bits, market.demanded.profile[want], row):
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
    unbroken = 0
    for slot in range(market.demanded.earliest[want], market.demanded.deadline[want]):
        unbroken = unbroken + 1 if free[slot] >= cards else 0
        if unbroken >= duration:
            below = min(below, total[slot + 1] - total[slot + 1 - duration])
    return below
