"""The offers of a snapshot as columns, one row an offer.

Rows are ordered by product, and within one from the cheapest offer to the dearest (mean ask in the
base currency, then id), so that wherever two offers are otherwise equal the cheaper one comes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.engine.hourly import FAR, UNKNOWN, Hourly, Ints, Mask
from marketplace.engine.snapshot import Model, Offer, Precision, Snapshot, Workload
from marketplace.engine.want import Want, bases

__all__ = ["FAR", "UNKNOWN", "Facts", "Floats", "Ints", "Mask", "Product", "round_up"]

Floats = NDArray[np.float64]

Product = tuple[str, str, str]


class Facts:
    """Everything about the offers that a run does not change.

    ``free`` and ``asks`` have the shape (offers, slots); outside an offer's window both are 0.
    ``product`` numbers the (model, zone, currency) that an offer belongs to; ``base`` is the
    ``base_micro`` of its currency.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.slots = snapshot.slots
        worth = bases(snapshot)
        self._sites = {site.id: site for site in snapshot.sites}
        self.products = sorted({self._product(offer) for offer in snapshot.offers})
        self._product_number = {product: number for number, product in enumerate(self.products)}
        self._models = {model.slug: model for model in snapshot.models}
        self.offers = sorted(snapshot.offers, key=lambda offer: self._cheapness(offer, worth))
        self.row_of = {offer.id: row for row, offer in enumerate(self.offers)}
        self.first = _column(offer.first_slot for offer in self.offers)
        self.end = _column(offer.first_slot + len(offer.free) for offer in self.offers)
        self.lot = _column(offer.lot for offer in self.offers)
        self.minimum = _column(offer.minimum_duration for offer in self.offers)
        self.notice = _column(offer.notice for offer in self.offers)
        self.stack = np.array([offer.stack for offer in self.offers], dtype=np.str_)
        self._ones: Ints = np.ones(len(self.offers), dtype=np.int64)
        self._read_windows()
        self._read_models()
        self._read_sites(worth)
        self._read_hours(snapshot)
        self._count_emissions(snapshot.carbon_price)

    def __len__(self) -> int:
        return len(self.offers)

    def _product(self, offer: Offer) -> Product:
        site = self._sites[offer.site]
        return offer.model, site.zone, site.currency

    def _cheapness(self, offer: Offer, worth: dict[str, int]) -> tuple[int, int, int]:
        base = worth[self._sites[offer.site].currency]
        product = self._product_number[self._product(offer)]
        return product, sum(offer.asks) * base // len(offer.asks), offer.id

    def _read_windows(self) -> None:
        self.free: Ints = np.zeros((len(self), self.slots), dtype=np.int64)
        self.asks: Ints = np.zeros((len(self), self.slots), dtype=np.int64)
        for row, offer in enumerate(self.offers):
            window = slice(offer.first_slot, offer.first_slot + len(offer.free))
            self.free[row, window] = offer.free
            self.asks[row, window] = offer.asks

    def _read_models(self) -> None:
        self.models: list[Model] = [self._models[offer.model] for offer in self.offers]
        self.model = np.array([model.slug for model in self.models], dtype=np.str_)
        self.memory = _column(model.memory for model in self.models)
        self._numbers = {slug: number for number, slug in enumerate(sorted(self._models))}
        self.model_number = _column(self._numbers[model.slug] for model in self.models)
        self._precise: dict[Precision, Mask] = {}
        self._rates: dict[tuple[Workload, bool], Ints] = {}
        self._rates_by_model: dict[tuple[Workload, bool] | None, Ints] = {}

    def _read_sites(self, worth: dict[str, int]) -> None:
        self.sites = [self._sites[offer.site] for offer in self.offers]
        self.jurisdiction = np.array([site.jurisdiction for site in self.sites], dtype=np.str_)
        self.bandwidth = _known_or(UNKNOWN, (site.bandwidth for site in self.sites))
        self.renewable_share = _known_or(UNKNOWN, (site.renewable_share for site in self.sites))
        self.carbon = _known_or(FAR, (site.carbon for site in self.sites))
        self.verification = _column(site.verification for site in self.sites)
        self._latencies: dict[str, Ints] = {}
        self.product = _column(self._product_number[self._product(offer)] for offer in self.offers)
        self.base = _column(worth[site.currency] for site in self.sites)
        self.product_base = [worth[currency] for _, _, currency in self.products]

    def _read_hours(self, snapshot: Snapshot) -> None:
        """Where figures vary by the hour, an offer stands as its best hour does; then each slot is asked.

        ``worst_share`` and ``worst_carbon`` are what an alternative has to bear to be served in all of them.
        """
        self.hourly = Hourly(snapshot, self.sites)
        self.worst_share, self.worst_carbon = self.renewable_share, self.carbon
        self._highest_carbon = max((site.carbon or 0 for site in snapshot.sites), default=0)
        if self.hourly.varies:
            self.renewable_share, self.carbon = self.hourly.best(self.first, self.end)
            self.worst_share, self.worst_carbon = self.hourly.worst(self.first, self.end)
            in_hours = (max(hours.carbon, default=0) for hours in snapshot.site_hours)
            self._highest_carbon = max(self._highest_carbon, *in_hours)

    def _count_emissions(self, carbon_price: int) -> None:
        """By slot, ``emission`` is what a card-hour's carbon counts, ``pico`` that and its ask, in pico.

        What nobody has stated counts as the highest figure that is known.
        """
        drawn = [model.power for model in self._models.values() if model.power is not None]
        power = _known_or(max(drawn, default=0), (model.power for model in self.models))[:, None]
        carbon = self.hourly.carbons() if self.hourly.varies else self.carbon[:, None]
        known = np.where(carbon == FAR, self._highest_carbon, carbon)
        counted = -(-carbon_price * power * known // 1_000)
        self.emission: Ints = np.broadcast_to(counted, self.asks.shape)
        self.pico: Ints = self.asks * self.base[:, None] + self.emission

    def sellable(self, free: Ints, want: Want, rows: Any, span: slice) -> Ints:
        """``free`` cards of these offers in ``span``, none in hours without the power the want asks for."""
        asked = self.hourly.asked(want.alternative)
        return free if asked is None else np.where(self.hourly.open(asked, rows, span), free, 0)

    def supports(self, precision: Precision) -> Mask:
        """Which offers' cards compute in ``precision``."""
        if precision not in self._precise:
            able = [precision in model.precisions for model in self.models]
            self._precise[precision] = np.array(able, dtype=np.bool_)
        return self._precise[precision]

    def rates(self, workload: Workload, *, careful: bool) -> Ints:
        """Micro-nP of one card of each offer: point or lower bound; -1 where nobody knows it."""
        key = (workload, careful)
        if key not in self._rates:
            known = self._known_rates(workload, careful=careful)
            self._rates[key] = _column(known.get(model.slug, UNKNOWN) for model in self.models)
        return self._rates[key]

    def rate_table(self, wanted: Iterable[Want]) -> Ints:
        """What one card of each model does for each want (wants, models); 0 where nobody knows it."""
        rates = [self._rates_of(want) for want in wanted]
        return np.array(rates, dtype=np.int64).reshape(len(rates), len(self._numbers))

    def _rates_of(self, want: Want) -> Ints:
        key = None if want.scale == 1 else (want.alternative.workload, want.alternative.careful)
        if key not in self._rates_by_model:
            by_model = np.ones(len(self._numbers), dtype=np.int64)
            if key is not None:
                workload, careful = key
                for slug, number in self._numbers.items():
                    by_model[number] = self._known_rates(workload, careful=careful).get(slug, 0)
            self._rates_by_model[key] = by_model
        return self._rates_by_model[key]

    def _known_rates(self, workload: Workload, *, careful: bool) -> dict[str, int]:
        return {
            model.slug: rate.lower if careful else rate.point
            for model in self._models.values()
            for rate in model.rates
            if rate.workload is workload
        }

    def latency(self, place: str) -> Ints:
        """Microseconds from each offer's site to ``place``; ``FAR`` where nobody knows them."""
        if place not in self._latencies:
            known = {
                site.id: trip.microseconds
                for site in self._sites.values()
                for trip in site.round_trips
                if trip.place == place
            }
            self._latencies[place] = _column(known.get(site.id, FAR) for site in self.sites)
        return self._latencies[place]

    def yields(self, want: Want) -> Ints:
        """How much of the wanted amount one card of each offer fills: 1 card, or its micro-nP."""
        if want.scale == 1:
            return self._ones
        return self.rates(want.alternative.workload, careful=want.alternative.careful)


def _column(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _known_or(unknown: int, values: Iterable[int | None]) -> Ints:
    return _column(unknown if value is None else value for value in values)


def round_up(cards: Any, lot: Any) -> Any:
    """``cards`` rounded up to whole lots; integers or arrays of them."""
    return -(-cards // lot) * lot
