"""The offers of a market at one moment, as quotes read them: compact, and never changed.

One process makes the book; others are handed a pickle of it and keep it in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from marketplace.engine.eligibility import Standing, Value
from marketplace.engine.facts import FAR, UNKNOWN, Facts, Ints, Mask, Product
from marketplace.engine.hourly import Hourly
from marketplace.engine.result import Constraint, Price
from marketplace.engine.snapshot import MICRO, Offer, Precision, Snapshot, Workload
from marketplace.engine.want import Want, bases

MOST_ANSWERS = 512
"""Answers to standing constraints that are kept; so many different ones are hardly asked for in a minute."""

KINDS = (np.int16, np.int32, np.int64)

ROWS = {"offers", "row_of", "sites", "_sites", "models"}
"""What ``Facts`` is made of and is slow to unpickle."""


class Listing(Facts):
    """What each offer is, in columns alone, with the ids of its row and of its site.

    Once unpickled it has none of the ``ROWS`` any more. Nor has it the offers' hours: its horizon is one
    slot.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(_of_one_slot(snapshot))
        self.offer_id = np.array([offer.id for offer in self.offers], dtype=np.int64)
        self.site_id = np.array([site.id for site in self.sites], dtype=np.int64)
        self._by_number = [self._models[slug] for slug in self._numbers]
        trips = {site.id: site.round_trips for site in self._sites.values()}
        self._trips = list(dict.fromkeys(trips.values()))
        number = {each: index for index, each in enumerate(self._trips)}
        of_site = {site: number[each] for site, each in trips.items()}
        self._trips_of = np.array([of_site[site.id] for site in self.sites], dtype=np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ROWS}

    def __len__(self) -> int:
        return self.lot.size

    def zones(self, rows: Ints) -> set[str]:
        return {self.products[product][1] for product in set(self.product[rows].tolist())}

    def supports(self, precision: Precision) -> Mask:
        able = [precision in model.precisions for model in self._by_number]
        return np.array(able, dtype=np.bool_)[self.model_number]

    def rates(self, workload: Workload, *, careful: bool) -> Ints:
        known = self._known_rates(workload, careful=careful)
        by_number = [known.get(model.slug, UNKNOWN) for model in self._by_number]
        return np.array(by_number, dtype=np.int64)[self.model_number]

    def latency(self, place: str) -> Ints:
        known = [{trip.place: trip.microseconds for trip in trips}.get(place, FAR) for trips in self._trips]
        return np.array(known, dtype=np.int64)[self._trips_of]


class QuoteBook:
    """Offers by row, and what a card of each costs who buys it alone.

    ``free`` (offers, slots) are cards that may run as long as the others of their site are idle. ``hourly``
    is the cost of a card-hour in micro-units of the offer's currency: its ask, or the last clearing price
    if that is higher. ``before`` (offers, slots + 1) is the cost of a card until a slot in micro-units of
    the base currency: a measure to rank by, owed by nobody. ``peak`` is the most that is free in any slot.
    ``sold`` (runs, products) is the most cards that each of the last runs sold in any hour.
    """

    def __init__(
        self, snapshot: Snapshot, prices: Iterable[Price], sold: Iterable[Mapping[Product, int]] = ()
    ) -> None:
        """``prices`` are those of the last run, by slots of this snapshot's horizon."""
        self.slots = snapshot.slots
        self.bases = bases(snapshot)
        self.facts = Listing(snapshot)
        offers = {offer.id: offer for offer in snapshot.offers}
        rows = [offers[identity] for identity in self.facts.offer_id.tolist()]
        self.first = np.array([offer.first_slot for offer in rows], dtype=np.int64)
        self.end = np.array([offer.first_slot + len(offer.free) for offer in rows], dtype=np.int64)
        self._powers = Hourly(snapshot, self.facts.sites)
        if self._powers.varies:
            self.facts.renewable_share, self.facts.carbon = self._powers.best(self.first, self.end)
        free, asks = self._windows(rows)
        _cap(free, rows, snapshot)
        self.free = _narrow(free)
        self.peak = free.max(axis=1, initial=0)
        self.hourly = _narrow(np.maximum(asks, self._price_table(prices)[self.facts.product]))
        self.sold = [
            np.array([run.get(each, 0) for each in self.facts.products], dtype=np.int64) for run in sold
        ]
        self._complete()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"before", "_answers"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._complete()

    def _complete(self) -> None:
        """What is computed anew faster than it is handed over."""
        self._answers: dict[tuple[Constraint, Value], Mask] = {}
        self.before = np.zeros((len(self.facts), self.slots + 1), dtype=np.float64)
        after = self.before[:, 1:]
        np.multiply(self.hourly, (self.facts.base / MICRO)[:, None], out=after)
        np.cumsum(after, axis=1, out=after)

    def _windows(self, offers: Sequence[Offer]) -> tuple[Ints, Ints]:
        """Free cards and asks by slot, 0 outside of an offer's window."""
        free: Ints = np.zeros((len(offers), self.slots), dtype=np.int64)
        asks: Ints = np.zeros((len(offers), self.slots), dtype=np.int64)
        for row, offer in enumerate(offers):
            window = slice(offer.first_slot, offer.first_slot + len(offer.free))
            free[row, window] = offer.free
            asks[row, window] = offer.asks
        return free, asks

    def _price_table(self, prices: Iterable[Price]) -> Ints:
        """Clearing prices by product and slot, 0 where nothing was sold."""
        table: Ints = np.zeros((len(self.facts.products), self.slots), dtype=np.int64)
        number = {product: index for index, product in enumerate(self.facts.products)}
        for price in prices:
            product = number.get((price.model, price.zone, price.currency))
            if product is not None and 0 <= price.slot < self.slots:
                table[product, price.slot] = price.price
        return table

    def sellable(self, want: Want, rows: Ints, first: int, end: int) -> Ints:
        """Free cards from ``first`` to before ``end``, in hours whose power is what the want asks for."""
        free, asked = self.free[rows, first:end], self._powers.asked(want.alternative)
        return free if asked is None else np.where(self._powers.open(asked, rows, slice(first, end)), free, 0)

    def meets(self, standing: Standing, value: Value) -> Mask:
        """Which offers meet what is asked of a standing constraint."""
        asked = (standing.constraint, value)
        answer = self._answers.get(asked)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            answer = self._answers[asked] = standing.test(self.facts, value)
        return answer


def _of_one_slot(snapshot: Snapshot) -> Snapshot:
    """The market without the hours of its offers, which are most of it, and without orders."""
    offers = (replace(each, first_slot=0, free=each.free[:1], asks=each.asks[:1]) for each in snapshot.offers)
    sites = (replace(each, power_cap=()) for each in snapshot.sites)
    alone = replace(snapshot, requests=(), budgets=(), choices=(), owner_caps=(), site_hours=())
    return replace(alone, slots=1, sites=tuple(sites), offers=tuple(offers))


def _cap(free: Ints, offers: Sequence[Offer], snapshot: Snapshot) -> None:
    """Take away the cards that the power cap of an offer's site does not let run, others being idle."""
    watts = {model.slug: model.power or 0 for model in snapshot.models}
    caps = {site.id: np.array(site.power_cap) for site in snapshot.sites if site.power_cap}
    for row, offer in enumerate(offers):
        if offer.site in caps and watts[offer.model]:
            free[row] = np.minimum(free[row], caps[offer.site] // watts[offer.model])


def _narrow(matrix: Ints) -> Ints:
    """The same figures in as little memory as they need."""
    most = matrix.max(initial=0)
    return matrix.astype(next(kind for kind in KINDS if most <= np.iinfo(kind).max))
