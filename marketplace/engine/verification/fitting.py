"""Could any offer have served a request, had nobody else been there and money been no object?

An offer fits an alternative if it meets every standing requirement and had, before the run, cards for the
smallest use that can be made of it: one gang, or the least part of a single gang, or one lot where cards
may come from several offers. It has them in every slot of one run inside the window, and in
each of these the power that is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from marketplace.engine.snapshot import Alternative, Request
from marketplace.engine.verification.columns import Ints, Mask, profile
from marketplace.engine.verification.market import Market, divided_up, least

FIRST = 32
"""Offers looked at first: those with most cards nearly always settle it."""


def requests_that_fit(market: Market, requests: list[Request]) -> set[int]:
    """Those of ``requests`` that some offer fits in some alternative."""
    fitting: set[int] = set()
    largest_first = np.argsort(-market.columns.free.max(axis=1), kind="stable")
    for asked in _by_profile(requests):
        rows = largest_first[market.columns.meeting(asked[0][1])[largest_first]]
        for request, alternative in asked:
            if request.id not in fitting and _any_fits(market, request, alternative, rows):
                fitting.add(request.id)
    return fitting


def _by_profile(requests: list[Request]) -> Iterator[list[tuple[Request, Alternative]]]:
    found: dict[tuple[object, ...], list[tuple[Request, Alternative]]] = defaultdict(list)
    for request in requests:
        for alternative in request.alternatives:
            found[profile(alternative)].append((request, alternative))
    yield from found.values()


def _any_fits(market: Market, request: Request, alternative: Alternative, rows: Ints) -> bool:
    parts = (rows[:FIRST], rows[FIRST:])
    return any(_some_fit(market, request, alternative, part) for part in parts if part.size)


def _some_fit(market: Market, request: Request, alternative: Alternative, rows: Ints) -> bool:
    columns = market.columns
    needed = -(-_smallest_use(request, alternative) // columns.rates(alternative, rows))
    cards = -(-needed // columns.lot[rows]) * columns.lot[rows]
    enough = columns.free_with_power(alternative, rows) >= cards[:, None]
    shortest = columns.minimum[rows]
    if alternative.divisible:
        return bool((_longest(enough) >= shortest).any())
    return bool(((_longest(enough) >= alternative.duration) & (shortest <= alternative.duration)).any())


def _smallest_use(request: Request, alternative: Alternative) -> int:
    """The least that one offer can be used for, in units of the amount."""
    if alternative.gangs > 1:
        return divided_up(alternative.amount, alternative.gangs)
    return least(request, alternative) if alternative.gangs == 1 else 1


def _longest(good: Mask) -> Ints:
    """The length of the longest stretch of good slots in each row."""
    slots = np.arange(1, good.shape[1] + 1)
    last_bad = np.maximum.accumulate(np.where(good, 0, slots), axis=1)
    return np.asarray((slots - last_bad).max(axis=1), dtype=np.int64)
