"""Can no placement whatever be better than the result says?

Weak duality, recomputed from nothing but the snapshot and the shadow prices; ``docs/engine.md`` has the
proof, with the same names. Everything is in micro-units of the base currency and exact: each figure below
that could leave 64 bits says why it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from marketplace.engine.result import Result, Shadow
from marketplace.engine.snapshot import MICRO, Snapshot
from marketplace.engine.validation import MAX_WORTH, check
from marketplace.engine.verification.columns import Ints
from marketplace.engine.verification.gains import gains
from marketplace.engine.verification.market import Market
from marketplace.engine.verification.rules import Broken, ResultRefused, Rule
from marketplace.engine.verification.shadows import Groups


def bound_rules(market: Market, result: Result) -> Iterator[Broken]:
    """The bound is proven by its shadow prices, and the objective is within it."""
    bound = result.bound
    if result.objective > bound.value:
        yield Broken(Rule.BOUND, f"the objective is {result.objective}, above its bound of {bound.value}")
    wrong = list(_wrong_shadows(market, bound.shadows))
    yield from wrong
    proven = bound.value if wrong else _proven(market, bound.shadows)
    if bound.value < proven:
        yield Broken(Rule.BOUND, f"the shadow prices prove a bound of {proven}, not of {bound.value}")


def proven_bound(snapshot: Snapshot, shadows: tuple[Shadow, ...]) -> int:
    """What no placement's objective exceeds, in micro-units of the base currency.

    Raises ``MalformedSnapshot``, or ``ResultRefused`` if these are no shadow prices of this snapshot.
    """
    check(snapshot)
    market = Market(snapshot)
    wrong = list(_wrong_shadows(market, shadows))
    if wrong:
        raise ResultRefused(wrong)
    return _proven(market, shadows)


def _wrong_shadows(market: Market, shadows: tuple[Shadow, ...]) -> Iterator[Broken]:
    """Each offer in one shadow, one product in each shadow, a possible price in each slot."""
    counts = Counter(offer for shadow in shadows for offer in shadow.offers)
    for offer in sorted(counts.keys() | market.offers.keys()):
        if counts[offer] != 1 or offer not in market.offers:
            yield Broken(Rule.BOUND, f"offer {offer} is in {counts[offer]} shadows, or unknown")
    highest = MAX_WORTH // market.snapshot.slots
    for number, shadow in enumerate(shadows):
        products = {market.product(market.offers[offer]) for offer in shadow.offers if offer in market.offers}
        if len(products) != 1:
            yield Broken(Rule.BOUND, f"shadow {number} has offers of {len(products)} products")
        if len(shadow.prices) != market.snapshot.slots:
            yield Broken(Rule.BOUND, f"shadow {number} has {len(shadow.prices)} prices")
        elif not 0 <= min(shadow.prices) <= max(shadow.prices) <= highest:
            yield Broken(Rule.BOUND, f"shadow {number} has a price that is not between 0 and {highest}")


def _proven(market: Market, shadows: tuple[Shadow, ...]) -> int:
    groups = Groups(market, shadows)
    return _supply_side(market, groups) + sum(gains(market, groups).values())


def _supply_side(market: Market, groups: Groups) -> int:
    """What the free cards would earn above their costs.

    A margin is at most 2**52 and cards are fewer than 2**20, so margins are multiplied in two halves of
    26 bits: a product is below 2**46, and its sum over the slots of an offer below 2**60.
    """
    total, costs = 0, _costs(market)
    for group, rows in enumerate(groups.rows):
        margins = np.maximum(groups.prices[:, group] - costs[rows], 0)
        cards = market.columns.free[rows]
        high = (cards * (margins >> 26)).sum(axis=1).tolist()
        low = (cards * (margins & (2**26 - 1))).sum(axis=1).tolist()
        total += (sum(high) << 26) + sum(low)
    return total


def _costs(market: Market) -> Ints:
    """Ask and emission of a card-hour, rounded down; each is at most 10**18 pico."""
    offers = market.snapshot.offers
    base = np.array([market.base[market.site(offer).currency] for offer in offers], dtype=np.int64)
    costs: Ints = (market.columns.asks * base[:, None] + _emissions(market)) // MICRO
    return costs


def _emissions(market: Market) -> Ints:
    """By offer and slot; one column does where nothing varies by the hour."""
    slots = range(market.snapshot.slots if market.snapshot.site_hours else 1)
    known: dict[tuple[int, str], list[int]] = {}
    for offer in market.snapshot.offers:
        if (offer.site, offer.model) not in known:
            known[offer.site, offer.model] = [market.emission(offer, slot) for slot in slots]
    rows = [known[offer.site, offer.model] for offer in market.snapshot.offers]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(slots))
