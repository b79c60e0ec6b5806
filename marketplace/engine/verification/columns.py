"""The offers of a snapshot as arrays: one row an offer, one column a slot of the horizon.

Everything is a 64-bit integer and exact: ``validation`` bounds what goes in, and whoever multiplies
says why the product fits.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from marketplace.engine.result import Placement
from marketplace.engine.snapshot import Alternative, Model, Site, Snapshot, Unit, Workload

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

UNKNOWN = -1
"""Less than any figure that a request may ask for: a fact that nobody has stated is not enough."""

FAR = 2**62
"""More than any figure that a request may allow, and than any cost."""


class Columns:
    """``free`` and ``asks`` are 0 outside an offer's window; the other arrays have one entry an offer."""

    def __init__(self, snapshot: Snapshot) -> None:
        offers = snapshot.offers
        sites = {site.id: index for index, site in enumerate(snapshot.sites)}
        models = {model.slug: index for index, model in enumerate(snapshot.models)}
        self.row = {offer.id: row for row, offer in enumerate(offers)}
        self.free: Ints = np.zeros((len(offers), snapshot.slots), dtype=np.int64)
        self.asks: Ints = np.zeros((len(offers), snapshot.slots), dtype=np.int64)
        for row, offer in enumerate(offers):
            window = slice(offer.first_slot, offer.first_slot + len(offer.free))
            self.free[row, window] = offer.free
            self.asks[row, window] = offer.asks
        self.lot = _integers(offer.lot for offer in offers)
        self.minimum = _integers(offer.minimum_duration for offer in offers)
        self._model = _integers(models[offer.model] for offer in offers)
        site = _integers(sites[offer.site] for offer in offers)
        self._standing = _Standing(snapshot, site, self._model)
        self._hours = _Hours(snapshot, site)

    def meeting(self, wanted: Alternative) -> Mask:
        """Which offers meet every standing requirement: all but times, cards and money. A new array.

        What varies by the hour is met if it is in some slot of the offer's window.
        """
        met = self._standing.met(wanted)
        return met & self._hours.some(wanted) if self._hours.vary else met

    def free_with_power(self, wanted: Alternative, rows: Ints) -> Ints:
        """Cards of some offers by slot of the alternative's window, 0 where the hour is not as it asks."""
        window = slice(wanted.earliest, wanted.deadline)
        free = self.free[rows, window]
        return np.where(self._hours.good(wanted)[rows, window], free, 0) if self._hours.vary else free

    def rates(self, wanted: Alternative, rows: Ints) -> Ints:
        """How much of the amount a card of these offers fills; 0 where nobody knows."""
        return self._standing.rates(wanted).take(self._model[rows])

    def sold(self, placements: Iterable[Placement]) -> Ints:
        """Cards that placements take of each offer in each slot."""
        changes: Ints = np.zeros((self.free.shape[0], self.free.shape[1] + 1), dtype=np.int64)
        for placement in placements:
            row = self.row[placement.offer]
            changes[row, placement.first_slot] += placement.cards
            changes[row, placement.first_slot + placement.slots] -= placement.cards
        sold: Ints = np.cumsum(changes, axis=1)[:, :-1]
        return sold


class _Standing:
    """The standing requirements, asked of all offers at once.

    ``delivery`` asks the same of one placement, in plain words; a test holds the two against each other.
    """

    def __init__(self, snapshot: Snapshot, site: Ints, model: Ints) -> None:
        self._site, self._model = site, model
        self._models, sites = snapshot.models, snapshot.sites
        self._stack = _Names(offer.stack for offer in snapshot.offers)
        self._notice = _integers(offer.notice for offer in snapshot.offers)
        self._jurisdiction = _Names(site.jurisdiction for site in sites)
        self._bandwidth = _integers(_known(site.bandwidth) for site in sites)
        self._renewable_share = _integers(_known(site.renewable_share) for site in sites)
        self._carbon = _integers(FAR if site.carbon is None else site.carbon for site in sites)
        self._hourly = bool(snapshot.site_hours)
        self._verification = _integers(site.verification for site in sites)
        self._round_trips = _round_trips(sites)
        self._slug = _Names(model.slug for model in self._models)
        self._memory = _integers(model.memory for model in self._models)
        self._rates: dict[tuple[Workload, bool], Ints] = {}

    def met(self, wanted: Alternative) -> Mask:
        met = self._by_model(wanted).take(self._model) & self._by_site(wanted).take(self._site)
        if wanted.stacks:
            met &= self._stack.among(wanted.stacks)
        if wanted.notice is not None:
            met &= self._notice >= wanted.notice
        return met

    def rates(self, wanted: Alternative) -> Ints:
        """The rate of each model: 1 for cards, else that of the workload."""
        if wanted.unit is Unit.CARDS:
            return np.ones(len(self._models), dtype=np.int64)
        key = (wanted.workload, wanted.careful)
        if key not in self._rates:
            self._rates[key] = _integers(_rate(model, *key) for model in self._models)
        return self._rates[key]

    def _by_model(self, wanted: Alternative) -> Mask:
        met: Mask = self.rates(wanted) > 0
        if wanted.models:
            met &= self._slug.among(wanted.models)
        if wanted.precision is not None:
            met &= np.array([wanted.precision in model.precisions for model in self._models], dtype=np.bool_)
        if wanted.memory is not None:
            met &= self._memory >= wanted.memory
        return met

    def _by_site(self, wanted: Alternative) -> Mask:
        met: Mask = np.ones(self._verification.size, dtype=np.bool_)
        if wanted.jurisdictions:
            met &= self._jurisdiction.among(wanted.jurisdictions)
        if wanted.latency is not None:
            met &= self._round_trips.get(wanted.latency.place, FAR) <= wanted.latency.microseconds
        if wanted.bandwidth is not None:
            met &= self._bandwidth >= wanted.bandwidth
        if wanted.renewable_share is not None and not self._hourly:
            met &= self._renewable_share >= wanted.renewable_share
        if wanted.carbon is not None and not self._hourly:
            met &= self._carbon <= wanted.carbon
        if wanted.verification is not None:
            met &= self._verification >= wanted.verification
        return met


class _Hours:
    """Power by offer and slot, where any of it varies."""

    def __init__(self, snapshot: Snapshot, site: Ints) -> None:
        self.vary = bool(snapshot.site_hours)
        if not self.vary:
            return
        hours = {each.site: each for each in snapshot.site_hours}
        carbon, share = [], []
        for each in snapshot.sites:
            own = hours.get(each.id)
            flat = FAR if each.carbon is None else each.carbon
            carbon.append((own.carbon if own else ()) or (flat,) * snapshot.slots)
            share.append(
                (own.renewable_share if own else ()) or (_known(each.renewable_share),) * snapshot.slots
            )
        self._carbon: Ints = np.array(carbon, dtype=np.int64)
        self._share: Ints = np.array(share, dtype=np.int64)
        self._site = site
        self._offered: Mask = np.zeros((site.size, snapshot.slots), dtype=np.bool_)
        for row, offer in enumerate(snapshot.offers):
            self._offered[row, offer.first_slot : offer.first_slot + len(offer.free)] = True

    def good(self, wanted: Alternative) -> Mask:
        """By offer and slot, whether the hour has what is asked for."""
        by_site: Mask = np.ones(self._carbon.shape, dtype=np.bool_)
        if wanted.renewable_share is not None:
            by_site &= self._share >= wanted.renewable_share
        if wanted.carbon is not None:
            by_site &= self._carbon <= wanted.carbon
        return by_site[self._site]

    def some(self, wanted: Alternative) -> Mask:
        """Which offers have what is asked for in some slot of their window: each of the two."""
        met: Mask = np.ones(self._site.size, dtype=np.bool_)
        if wanted.renewable_share is not None:
            met &= ((self._share >= wanted.renewable_share)[self._site] & self._offered).any(axis=1)
        if wanted.carbon is not None:
            met &= ((self._carbon <= wanted.carbon)[self._site] & self._offered).any(axis=1)
        return met


class _Names:
    """A column of names, each kept once."""

    def __init__(self, column: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._column = _integers(self._numbers.setdefault(name, len(self._numbers)) for name in column)

    def among(self, names: tuple[str, ...]) -> Mask:
        """Which entries are one of ``names``."""
        chosen = np.array([name in names for name in self._numbers], dtype=np.bool_)
        return chosen.take(self._column)


def profile(wanted: Alternative) -> tuple[object, ...]:
    """All that standing requirements and rates depend on: equal profiles have equal answers."""
    return (
        wanted.unit,
        wanted.workload,
        wanted.careful,
        wanted.models,
        wanted.precision,
        wanted.memory,
        wanted.stacks,
        wanted.jurisdictions,
        wanted.latency,
        wanted.bandwidth,
        wanted.renewable_share,
        wanted.carbon,
        wanted.verification,
        wanted.notice,
    )


def _round_trips(sites: tuple[Site, ...]) -> dict[str, Ints]:
    """Round-trip times of all sites by place; ``FAR`` where none is stated."""
    columns: dict[str, Ints] = {}
    for index, site in enumerate(sites):
        for trip in site.round_trips:
            if trip.place not in columns:
                columns[trip.place] = np.full(len(sites), FAR, dtype=np.int64)
            columns[trip.place][index] = trip.microseconds
    return columns


def _known(fact: int | None) -> int:
    return UNKNOWN if fact is None else fact


def _rate(model: Model, workload: Workload, careful: bool) -> int:
    for rate in model.rates:
        if rate.workload is workload:
            return rate.lower if careful else rate.point
    return 0


def _integers(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)
