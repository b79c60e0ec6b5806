"""Who might still be served from what the search left over.

The search places what is worth most at shadow prices; cards that are over, or that nobody can have at such
prices, may still do for somebody. A sweep over what is left proposes a few offers for each request that has
nothing (``promising``), and each is then looked at exactly (``trial``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from marketplace.engine.asked import kinds, shapes
from marketplace.engine.book import Book
from marketplace.engine.facts import Ints
from marketplace.engine.market import Market
from marketplace.engine.promising import AFFORDABLE, Shop, Sought
from marketplace.engine.want import Want


def promising_rows(market: Market, book: Book, waiting: Sequence[Want]) -> dict[int, Ints]:
    """By place in ``waiting`` the offers that seem to have what the want needs, within its limit."""
    facts, eligibility = market.facts, market.eligibility
    profiles = [eligibility.profile(want) for want in waiting]
    shop = Shop.of_what_is_left(book, kinds(facts), waiting)
    looked_for = shapes(waiting, profiles)
    sought = Sought(
        shapes=np.arange(looked_for.want.size),
        among=looked_for.profile,
        bits=eligibility.bits(),
        rank=np.zeros_like(facts.minimum),
        goal=AFFORDABLE,
    )
    found = shop.promising(looked_for, sought)
    rows: dict[int, set[int]] = defaultdict(set)
    for place in np.flatnonzero(found.number).tolist():
        rows[int(looked_for.want[place])].update(found.row[place, : found.number[place]].tolist())
    return {number: np.array(sorted(some), dtype=np.int64) for number, some in rows.items()}
