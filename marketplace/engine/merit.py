"""The order in which requests are served that the search found no place for.

Requests come by value density, the limit in the base currency per unit of normalised work and
hour, dearest first; a request with alternatives counts at its densest one. Among equals the one
entered earlier goes first, and among those a hash of the snapshot and the request decides, which
nobody can aim for and everybody can check.

A limit per card is turned into one per nP at the highest rate known for the eligible models: what
the buyer pays at least per nP-hour, whichever card it gets. Where no rate is known a card counts
as one reference card; this affects the order only, never a price.
"""

from __future__ import annotations

from marketplace.engine.eligibility import Eligibility
from marketplace.engine.market import Market
from marketplace.engine.snapshot import MICRO, Request
from marketplace.engine.want import Want


def in_order(market: Market) -> list[Request]:
    """Requests from the first served to the last."""
    requests = market.snapshot.requests

    def rank(index: int) -> tuple[int, int]:
        own = market.wanted[requests[index].id]
        return -max(density(want, market.eligibility) for want in own), int(market.ranks[index])

    return [requests[index] for index in sorted(range(len(requests)), key=rank)]


def density(want: Want, eligibility: Eligibility) -> int:
    """The limit per nP-hour (nP of the want's workload), in pico, rounded down."""
    worth = want.alternative.limit * want.base
    if want.scale == MICRO:
        return worth
    rows = eligibility.rows(eligibility.profile(want))
    rates = eligibility.facts.rates(want.alternative.workload, careful=False)[rows]
    fastest = int(rates.max(initial=0))
    return worth * MICRO // (fastest if fastest > 0 else MICRO)
