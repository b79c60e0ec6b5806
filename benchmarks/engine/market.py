"""A snapshot as columns, as the peers read it. It shares nothing with the engine that they are compared with.

Matrices have one row a slot and one column an offer, in the order of the snapshot. Money is in *pico*,
micro-units times the currency's ``base_micro``, which is 1e-12 of the base currency: exact integers where
something is decided, floats where candidates are ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.engine import MICRO, Alternative, LatencyLimit, Request, Snapshot, Unit, Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BASE_UNIT = 10**12
"""Pico in a unit of the base currency."""

UNKNOWN = -1
FAR = 2**62


@dataclass(frozen=True, slots=True)
class Want:
    """One alternative of one request.

    ``base`` is the ``base_micro`` of the request's currency, ``least`` the smallest amount that may be
    filled, ``scale`` how many units of the amount one unit of the limit covers.
    """

    request: int
    alternative: Alternative
    base: int
    least: int
    scale: int

    @property
    def amount(self) -> int:
        return self.alternative.amount

    @property
    def whole(self) -> bool:
        """A gang that is all or nothing: it has one size on each offer."""
        return self.alternative.gang and self.least == self.amount

    @property
    def unit_worth(self) -> float:
        """What a unit of the amount is worth over the run, in pico, before rounding."""
        return self.alternative.limit * self.alternative.duration * self.base / self.scale

    def worth(self, filled: int) -> int:
        """What the buyer pays at most, in pico: whole micro-units of its currency an hour."""
        return self.alternative.limit * filled // self.scale * self.alternative.duration * self.base


class Market:
    """Offers as arrays, requests as wants, and which offers a want may use.

    ``free`` are cards; ``costs`` are running totals of the asks in pico, so that what a card costs in
    slots ``[first, end)`` is ``costs[end] - costs[first]``.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        _refuse_what_peers_do_not_know(snapshot)
        self.slots = snapshot.slots
        self.offers = snapshot.offers
        self.requests = snapshot.requests
        self._base = {currency.code: currency.base_micro for currency in snapshot.currencies}
        self._sites = {site.id: site for site in snapshot.sites}
        self._models = {model.slug: model for model in snapshot.models}
        site_number = {identity: number for number, identity in enumerate(self._sites)}
        model_number = {slug: number for number, slug in enumerate(self._models)}
        self._site_of = _column(site_number[offer.site] for offer in self.offers)
        self._model_of = _column(model_number[offer.model] for offer in self.offers)
        self.lot = _column(offer.lot for offer in self.offers)
        self._first = _column(offer.first_slot for offer in self.offers)
        self._end = _column(offer.first_slot + len(offer.free) for offer in self.offers)
        self._minimum = _column(offer.minimum_duration for offer in self.offers)
        self._masks: dict[tuple[str, object], Mask] = {}
        self._rates: dict[tuple[Workload, bool], Ints] = {}
        self._read_windows()

    def _read_windows(self) -> None:
        self.free: Ints = np.zeros((self.slots, len(self.offers)), dtype=np.int64)
        asks: Ints = np.zeros((self.slots, len(self.offers)), dtype=np.int64)
        for column, offer in enumerate(self.offers):
            window = slice(offer.first_slot, offer.first_slot + len(offer.free))
            self.free[window, column] = offer.free
            asks[window, column] = offer.asks
        asks *= _column(self._base[self._sites[offer.site].currency] for offer in self.offers)
        self.costs: Ints = np.zeros((self.slots + 1, len(self.offers)), dtype=np.int64)
        np.cumsum(asks, axis=0, out=self.costs[1:])

    def wants(self, request: Request) -> list[Want]:
        """The alternatives by position."""
        base = self._base[request.currency]
        return [
            Want(
                request=request.id,
                alternative=one,
                base=base,
                least=-(-one.amount * request.least // MICRO),
                scale=1 if one.unit is Unit.CARDS else MICRO,
            )
            for one in request.alternatives
        ]

    def yields(self, want: Want) -> Ints:
        """How much of the amount one card of each offer fills; not above 0 where nobody knows."""
        if want.scale == 1:
            return np.ones(len(self.offers), dtype=np.int64)
        return self.rates(want.alternative.workload, careful=want.alternative.careful)

    def rates(self, workload: Workload, *, careful: bool) -> Ints:
        key = (workload, careful)
        if key not in self._rates:
            known = {
                model.slug: rate.lower if careful else rate.point
                for model in self._models.values()
                for rate in model.rates
                if rate.workload is workload
            }
            self._rates[key] = _column(known.get(offer.model, UNKNOWN) for offer in self.offers)
        return self._rates[key]

    def eligible(self, want: Want) -> Ints:
        """Columns of the offers that meet every requirement and whose window holds a run."""
        one = want.alternative
        found = self._minimum <= one.duration
        shared = np.minimum(self._end, one.deadline) - np.maximum(self._first, one.earliest)
        found &= shared >= one.duration
        if want.scale != 1:
            found &= self.yields(want) > 0
        for mask in self._requirements(one):
            found &= mask
        return np.flatnonzero(found)

    def _requirements(self, one: Alternative) -> Iterator[Mask]:
        for name, meets in REQUIREMENTS.items():
            wanted = getattr(one, name)
            if wanted is None or wanted == ():
                continue
            key = (name, wanted)
            if key not in self._masks:
                self._masks[key] = meets(self, wanted)
            yield self._masks[key]

    def by_model(self, meets: Callable[[Any], bool]) -> Mask:
        able = np.array([meets(model) for model in self._models.values()], dtype=np.bool_)
        return able[self._model_of]

    def by_site(self, meets: Callable[[Any], bool]) -> Mask:
        able = np.array([meets(site) for site in self._sites.values()], dtype=np.bool_)
        return able[self._site_of]

    def by_offer(self, meets: Callable[[Any], bool]) -> Mask:
        return np.array([meets(offer) for offer in self.offers], dtype=np.bool_)


def _near(site: Any, limit: LatencyLimit) -> bool:
    known = (trip.microseconds for trip in site.round_trips if trip.place == limit.place)
    return next(known, FAR) <= limit.microseconds


def _reaches(fact: int | None, wanted: int) -> bool:
    return fact is not None and fact >= wanted


REQUIREMENTS: Mapping[str, Callable[[Market, Any], Mask]] = {
    "models": lambda market, slugs: market.by_model(lambda model: model.slug in slugs),
    "precision": lambda market, wanted: market.by_model(lambda model: wanted in model.precisions),
    "memory": lambda market, wanted: market.by_model(lambda model: model.memory >= wanted),
    "stacks": lambda market, slugs: market.by_offer(lambda offer: offer.stack in slugs),
    "jurisdictions": lambda market, codes: market.by_site(lambda site: site.jurisdiction in codes),
    "latency": lambda market, limit: market.by_site(lambda site: _near(site, limit)),
    "bandwidth": lambda market, wanted: market.by_site(lambda site: _reaches(site.bandwidth, wanted)),
    "renewable_share": lambda market, wanted: market.by_site(
        lambda site: _reaches(site.renewable_share, wanted)
    ),
    "carbon": lambda market, most: market.by_site(
        lambda site: site.carbon is not None and site.carbon <= most
    ),
    "verification": lambda market, wanted: market.by_site(lambda site: site.verification >= wanted),
    "notice": lambda market, wanted: market.by_offer(lambda offer: offer.notice >= wanted),
}
"""Fields of an alternative, each with the offers that meet it. A fact that nobody states meets none."""


def _refuse_what_peers_do_not_know(snapshot: Snapshot) -> None:
    """The generated markets have none of these, and the peers would get them wrong."""
    if snapshot.budgets or snapshot.choices or snapshot.owner_caps or snapshot.carbon_price:
        raise ValueError("the peers know no budgets, choices, owner caps and no carbon price")
    if any(site.power_cap for site in snapshot.sites):
        raise ValueError("the peers know no power caps")
    for request in snapshot.requests:
        if any(one.divisible or one.gangs > 1 for one in request.alternatives):
            raise ValueError(f"request {request.id}: the peers know no divisible work and no parallel gangs")


def _column(values: Iterator[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)
