"""The dearest prices that accepted buyers bear.

The lowest admissible price of a product in a slot is the highest ask accepted there: the *floor*. From
there prices rise towards the shadow price, at which those who were refused would not gain, as far as no
accepted buyer leaves its limit, and no budget is exceeded: over the slots and products of each account that
pays, the way from the floors to the shadow prices is cut to the share that its limit leaves room for, and
in each slot the smallest share of those who pay there counts.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine.book import Book
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.holders import Account

SHARE_BITS = 20
"""Shares of the way are counted in 2**-20, rounded down."""


def dearest_prices(book: Book, shadows: Ints) -> Ints:
    """By (product, slot), micro-units of the product's currency; ``shadows`` are of the same shape."""
    floors = book.price
    highest = np.where(book.sold > 0, np.maximum(floors, shadows), floors)
    shares = np.full(floors.shape, 1 << SHARE_BITS, dtype=np.int64)
    for account in book.accounts:
        _cut(shares, book.facts, account, floors, highest)
    way = highest - floors
    # In two halves of 20 bits of the way, so that a product stays below 2**62.
    high, low = way >> SHARE_BITS, way & ((1 << SHARE_BITS) - 1)
    risen: Ints = floors + high * shares + (low * shares >> SHARE_BITS)
    return risen


def _cut(shares: Ints, facts: Facts, account: Account, floors: Ints, highest: Ints) -> None:
    """Lower the shares of what an account pays for to what its limit leaves room for."""
    takes = [take for fill in account.fills for take in fill.takes]
    least = most = 0
    for take in takes:
        product = int(facts.product[take.row])
        weight = take.cards * facts.product_base[product]
        least += int(floors[product, take.span].sum()) * weight
        most += int(highest[product, take.span].sum()) * weight
    if most <= account.limit:
        return
    room = (account.limit - least << SHARE_BITS) // (most - least)
    for take in takes:
        product = int(facts.product[take.row])
        shares[product, take.span] = np.minimum(shares[product, take.span], room)
