"""The dearest prices that accepted buyers bear.

The lowest admissible price of a product in a slot is the highest ask accepted there: the *floor*. From
there prices rise towards the shadow price, at which those who were refused would not gain, as far as no
accepted buyer leaves its limit: over the slots and products of each buyer, the way from the floors to the
shadow prices is cut to the share that its limit leaves room for, and in each slot the smallest share of
those who pay there counts. A budget counts its requests at their limits (see ``groups``), so
no price within limits exceeds one.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine.book import Book, Fill
from marketplace.engine.facts import Facts, Ints

SHARE_BITS = 20
"""Shares of the way are counted in 2**-20, rounded down."""


def dearest_prices(book: Book, fills: list[Fill], shadows: Ints) -> Ints:
    """By (product, slot), micro-units of the product's currency; ``shadows`` are of the same shape."""
    floors = book.price
    highest = np.where(book.sold > 0, np.maximum(floors, shadows), floors)
    shares = np.full(floors.shape, 1 << SHARE_BITS, dtype=np.int64)
    for fill in fills:
        _cut(shares, book.facts, fill, floors, highest)
    way = highest - floors
    # In two halves of 20 bits of the way, so that a product stays below 2**62.
    high, low = way >> SHARE_BITS, way & ((1 << SHARE_BITS) - 1)
    risen: Ints = floors + high * shares + (low * shares >> SHARE_BITS)
    return risen


def _cut(shares: Ints, facts: Facts, fill: Fill, floors: Ints, highest: Ints) -> None:
    """Lower the shares of what a buyer pays for to what its limit leaves room for."""
    least, most = _cost(facts, fill, floors), _cost(facts, fill, highest)
    if most <= fill.worth:
        return
    room = (fill.worth - least << SHARE_BITS) // (most - least)
    span = slice(fill.first_slot, fill.first_slot + fill.slots)
    for row, _ in fill.takes:
        product = int(facts.product[row])
        shares[product, span] = np.minimum(shares[product, span], room)


def _cost(facts: Facts, fill: Fill, prices: Ints) -> int:
    """What a buyer pays at such prices, in pico."""
    span = slice(fill.first_slot, fill.first_slot + fill.slots)
    products = ((int(facts.product[row]), cards) for row, cards in fill.takes)
    return sum(int(prices[each, span].sum()) * cards * facts.product_base[each] for each, cards in products)
