"""What the generator takes from the extracts that the project ships.

From ``marketplace/catalogue/data``: models with their memory and precisions, normalisation rates, regions
with distances and carbon, zones, currencies. From ``demo/data``: the mix of nodes, jobs, published prices.
The shares of models and of regions are the demo's assumptions (``demo.mapping``, ``demo.sites``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from statistics import median

from demo.mapping import ABROAD, CHINA, node_kinds
from demo.pricing import PriceList, price_list
from demo.sites import SITES_IN_REGION
from demo.trace import Job, load_jobs, load_nodes, load_prices
from marketplace.catalogue.data.tables import (
    Accelerator,
    Region,
    Zone,
    load_accelerators,
    load_fx,
    load_inference,
    load_regions,
    load_training,
    load_zones,
)
from marketplace.catalogue.latency import RegionPoint, round_trip_us
from marketplace.catalogue.normalisation import Profile, profiles_for
from marketplace.engine import MICRO, Currency, Model, Rate, RoundTrip, Workload

MIB_PER_GB = 1024
ENOUGH_PRICES = 5


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A model in nodes of a size."""

    model: str
    node_size: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """``kinds`` weighs node kinds by cards, ``regions`` weighs regions by sites, in China and abroad.

    ``price_spread`` holds published prices as shares of their model's median.
    """

    models: Mapping[str, Model]
    stacks: Mapping[str, str]
    kinds: Mapping[str, Mapping[NodeKind, int]]
    regions: Mapping[str, Mapping[str, int]]
    places: Mapping[str, Region]
    zones: Mapping[str, Zone]
    prices: PriceList
    price_spread: tuple[float, ...]
    jobs: tuple[Job, ...]
    currencies: tuple[Currency, ...]

    def published(self, model: str, currency: str) -> float:
        """The published price of a card-hour, in whole units of the currency."""
        return float(self.prices.of(model, currency))

    def rate(self, model: str, workload: Workload) -> int | None:
        """nP of a card in micro-nP; ``None`` where the model has no profile in the class."""
        return next((rate.point for rate in self.models[model].rates if rate.workload is workload), None)


@cache
def calibration() -> Calibration:
    accelerators = load_accelerators()
    profiles = profiles_for(accelerators, load_training(), load_inference())
    kinds = _kinds()
    traded = {kind.model for where in kinds.values() for kind in where}
    return Calibration(
        models={a.slug: _model(a, profiles) for a in accelerators if a.slug in traded},
        stacks={a.slug: a.stack for a in accelerators},
        kinds=kinds,
        regions=_regions(),
        places={region.slug: region for region in load_regions()},
        zones={zone.slug: zone for zone in load_zones()},
        prices=price_list(load_prices(), accelerators, profiles, load_fx()),
        price_spread=_price_spread(),
        jobs=load_jobs(),
        currencies=tuple(Currency(fx.currency, micro(fx.cny_per_unit)) for fx in load_fx()),
    )


@cache
def round_trips(region: str) -> tuple[RoundTrip, ...]:
    """Round trips from a region to every place that a request may name."""
    places = calibration().places
    here = _point(places[region])
    return tuple(RoundTrip(slug, round_trip_us(here, _point(there))) for slug, there in places.items())


def micro(value: Decimal) -> int:
    return int((value * MICRO).to_integral_value())


def _point(region: Region) -> RegionPoint:
    return RegionPoint(region.slug, region.country, region.latitude, region.longitude)


def _kinds() -> dict[str, dict[NodeKind, int]]:
    cards: dict[str, dict[NodeKind, int]] = {CHINA: defaultdict(int), ABROAD: defaultdict(int)}
    for kind in node_kinds(load_nodes()):
        cards[kind.where][NodeKind(kind.model, kind.node_size)] += kind.nodes * kind.node_size
    return {where: dict(found) for where, found in cards.items()}


def _regions() -> dict[str, dict[str, int]]:
    weights: dict[str, dict[str, int]] = {CHINA: {}, ABROAD: {}}
    for slug, sites in SITES_IN_REGION.items():
        weights[CHINA if slug.startswith("cn-") else ABROAD][slug] = sites
    return weights


def _model(accelerator: Accelerator, profiles: tuple[Profile, ...] | list[Profile]) -> Model:
    if accelerator.memory_gb is None:
        raise LookupError(f"{accelerator.slug}: its memory is not known")
    own = [profile for profile in profiles if profile.model_slug == accelerator.slug]
    return Model(
        slug=accelerator.slug,
        memory=int(accelerator.memory_gb * MIB_PER_GB),
        power=accelerator.tdp_w,
        precisions=tuple(precision for precision, _ in accelerator.peaks),
        rates=tuple(Rate(one.workload, micro(one.rate), micro(one.lower)) for one in own),
    )


def _price_spread() -> tuple[float, ...]:
    by_model: dict[str, list[Decimal]] = defaultdict(list)
    for price in load_prices():
        by_model[price.model].append(price.usd_per_card_hour)
    known = [found for found in by_model.values() if len(found) >= ENOUGH_PRICES]
    return tuple(sorted(float(price / median(found)) for found in known for price in found))
