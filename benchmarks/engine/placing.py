"""Two ways to place requests one after another at posted asks: no clearing prices, no feedback.

``first_come`` is what today's marketplaces do: whoever comes first takes what is there, as early as it can,
from the cheapest offer then; the first alternative that can be had is taken. It is a generous picture: it
searches every site at once and reckons in nP, which no marketplace does.

``greedy`` serves by value density and gives each request the placement with the largest gain at the asks.
Nobody's price rises by what others buy, so nothing is refused on that account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks.engine import kernels
from benchmarks.engine.fills import Fill, fill
from benchmarks.engine.market import Market, Want
from marketplace.engine import MICRO, Request, Snapshot, Workload

Search = Callable[[Market, list[Want]], Fill | None]


def first_come(snapshot: Snapshot) -> list[Fill]:
    market = Market(snapshot)
    order = sorted(snapshot.requests, key=lambda request: (request.entered, request.id))
    return _serve(market, order, _first_available)


def greedy(snapshot: Snapshot) -> list[Fill]:
    market = Market(snapshot)
    order = Density(snapshot).in_order(market)
    return _serve(market, order, _largest_gain)


class Density:
    """The limit in the base currency for an hour of one nP.

    A limit per card is counted at the highest rate of the models that the alternative names.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._models = snapshot.models
        self._fastest: dict[tuple[Workload, tuple[str, ...]], int] = {}

    def in_order(self, market: Market) -> list[Request]:
        """Requests by density, the earlier entry first among equals."""

        def rank(request: Request) -> tuple[float, int, int]:
            densest = max(self._of(want) for want in market.wants(request))
            return -densest, request.entered, request.id

        return sorted(market.requests, key=rank)

    def _of(self, want: Want) -> float:
        worth = float(want.alternative.limit * want.base)
        return worth if want.scale == MICRO else worth * MICRO / self._rate(want)

    def _rate(self, want: Want) -> int:
        key = (want.alternative.workload, want.alternative.models)
        if key not in self._fastest:
            workload, named = key
            known = [
                rate.point
                for model in self._models
                if not named or model.slug in named
                for rate in model.rates
                if rate.workload is workload
            ]
            self._fastest[key] = max(known, default=MICRO)
        return self._fastest[key]


def _serve(market: Market, order: Iterable[Request], search: Search) -> list[Fill]:
    fills = []
    for request in order:
        found = search(market, market.wants(request))
        if found is not None:
            _take(market, found)
            fills.append(found)
    return fills


def _take(market: Market, found: Fill) -> None:
    run = slice(found.first_slot, found.first_slot + found.want.alternative.duration)
    for offer, cards in found.takes:
        market.free[run, offer] -= cards


def _first_available(market: Market, wanted: list[Want]) -> Fill | None:
    fills = (find(market, want, early=True) for want in wanted)
    return next((each for each in fills if each is not None), None)


def _largest_gain(market: Market, wanted: list[Want]) -> Fill | None:
    fills = (find(market, want, early=False) for want in wanted)
    return max((each for each in fills if each is not None), key=lambda each: each.gain, default=None)


def find(market: Market, want: Want, *, early: bool) -> Fill | None:
    """The best fill of the want as things stand, or ``None``."""
    offers = market.eligible(want)
    one = want.alternative
    terms = (want.amount, want.least, one.earliest, one.deadline, one.duration)
    stock = (offers, market.yields(want)[offers], market.lot[offers])
    facts = ((market.free, market.costs), stock, terms, want.unit_worth)
    if one.gang:
        offer, first, cards = kernels.best_alone(*facts, early)
        takes = [(offer, cards)]
    else:
        first = kernels.best_mix(*facts, early)
        takes = [] if first == kernels.NOTHING else kernels.mix(*facts, first, -1.0)[0]
    if first == kernels.NOTHING:
        return None
    found = fill(market, want, first, takes)
    return found if found.allowed else None
