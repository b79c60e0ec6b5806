"""Parts of a market that have nothing to do with each other, to be cleared on their own.

Two products are in one part if some request may use both, or if a budget, a choice, an owner cap or a power
cap ties requests or offers of both together. No placement, no price and no limit of one part has any
influence on another, so the parts may be cleared in any order, anywhere, and together they are the market's
result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from marketplace.engine.columns import Bytes, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.market import Market
from marketplace.engine.snapshot import Snapshot


def components(market: Market) -> list[Snapshot]:
    """The parts in which something may be matched: each with its own offers, requests and groups.

    Offers and requests that no part has are those that nobody may use and that nothing serves.
    """
    snapshot, facts, demanded = market.snapshot, market.facts, market.demanded
    root = np.arange(len(facts.products), dtype=np.int64)
    serving = _join_profiles(market.bits(), facts.product, root)[demanded.profile].tolist()
    first = demanded.first.tolist()
    products = {
        request.id: [product for product in serving[first[index] : first[index + 1]] if product >= 0]
        for index, request in enumerate(snapshot.requests)
    }
    for tied in [*products.values(), *_tied(snapshot, facts, products)]:
        _join(root, tied)
    part_of = {request: _root(root, own[0]) for request, own in products.items() if own}
    return [_part(snapshot, facts, root, part_of, part) for part in sorted(set(part_of.values()))]


def _tied(snapshot: Snapshot, facts: Facts, products: dict[int, list[int]]) -> Iterable[list[int]]:
    """The products that each group ties together."""
    tied = [group.requests for group in snapshot.budgets] + [group.requests for group in snapshot.choices]
    for requests in tied:
        yield [product for request in requests for product in products[request]]
    by_owner: dict[int, list[int]] = defaultdict(list)
    by_site: dict[int, list[int]] = defaultdict(list)
    for site, product in zip(facts.sites, facts.product.tolist(), strict=True):
        by_owner[site.owner].append(product)
        if site.power_cap:
            by_site[site.id].append(product)
    yield from by_site.values()
    by_buyer: dict[int, list[int]] = defaultdict(list)
    for request in snapshot.requests:
        by_buyer[request.buyer].extend(products[request.id])
    for cap in snapshot.owner_caps:
        yield by_owner[cap.owner] + by_buyer[cap.buyer]


def _part(snapshot: Snapshot, facts: Facts, root: Ints, part_of: dict[int, int], part: int) -> Snapshot:
    requests = {request for request, own in part_of.items() if own == part}
    return replace(
        snapshot,
        offers=tuple(
            offer
            for offer in snapshot.offers
            if _root(root, int(facts.product[facts.row_of[offer.id]])) == part
        ),
        requests=tuple(request for request in snapshot.requests if request.id in requests),
        budgets=tuple(
            replace(group, requests=tuple(each for each in group.requests if each in requests))
            for group in snapshot.budgets
            if not requests.isdisjoint(group.requests)
        ),
        choices=tuple(
            replace(group, requests=tuple(each for each in group.requests if each in requests))
            for group in snapshot.choices
            if not requests.isdisjoint(group.requests)
        ),
    )


@compiled
def _join_profiles(bits: Bytes, product: Ints, root: Ints) -> Ints:
    """Join the products that a profile may use; one of them by profile, -1 where nothing serves it."""
    serving = np.full(bits.shape[0], -1, dtype=np.int64)
    for profile in range(bits.shape[0]):
        for row in range(product.size):
            if product[row] != serving[profile] and serves(bits, profile, row):
                if serving[profile] >= 0:
                    root[_root(root, product[row])] = _root(root, serving[profile])
                serving[profile] = product[row]
    return serving


def _join(root: Ints, products: list[int]) -> None:
    for product in products[1:]:
        root[_root(root, product)] = _root(root, products[0])


@compiled
def _root(root: Ints, product: int) -> int:
    """The product that stands for all that are joined with this one; shortens the way to it."""
    while root[product] != product:
        root[product] = root[root[product]]
        product = root[product]
    return product
