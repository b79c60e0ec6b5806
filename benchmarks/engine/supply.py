"""Sites and offers of a generated market, with the number of nodes left open.

An offer is drawn with a weight; ``Lot.free`` says how many cards it has free when a unit of weight stands
for so many nodes. The generator then finds the number that makes the market as scarce as it should be.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.calibration import Calibration, NodeKind, round_trips
from benchmarks.engine.instances import Size
from demo.draw import chance, pick
from demo.mapping import ABROAD, CHINA
from demo.offers import NIGHT
from marketplace.engine import MICRO, Offer, Site

OFFERS_PER_SITE = 3
IN_CHINA = 0.7
IDLE_DISCOUNT = (0.50, 0.95, 0.70)
"""Least, most and likeliest ask as a share of the published price: what stands idle is sold for less."""

NIGHT_SHARE, NIGHT_DISCOUNT = 0.6, (0.65, 0.92, 0.80)
WHOLE_HORIZON = 0.6
SOLD_IN_PART = 0.3
"""Offers of which something is sold already for part of their window."""

NODE_LOTS = 0.4
MINIMUM_DURATION = {1: 60, 2: 20, 4: 15, 8: 5}
NOTICE_MINUTES = {15: 10, 30: 25, 60: 35, 240: 20, 1440: 10}
BANDWIDTH = {None: 10, 10_000: 25, 40_000: 30, 100_000: 35}
RENEWABLE_PERCENT = {None: 10, 20: 20, 30: 20, 50: 30, 80: 15, 100: 5}
VERIFICATION = {0: 10, 1: 30, 2: 40, 3: 20}
HEAVY_TAIL, HEAVIEST = 1.1, 60


@dataclass(frozen=True, slots=True)
class Dip:
    """Slots of an offer, counted from its first, in which a share of its nodes is sold already."""

    first: int
    end: int
    percent: int


NO_DIP = Dip(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Draft:
    """An offer but for the number of its cards."""

    number: int
    site: Site
    kind: NodeKind
    stack: str
    first_slot: int
    asks: tuple[int, ...]
    lot: int
    minimum_duration: int
    notice: int
    weight: float
    dip: Dip | None

    def free(self, scale: float) -> tuple[int, ...]:
        """Free cards by slot if a unit of weight is ``scale`` nodes; whole nodes, at least one."""
        nodes = max(1, int(self.weight * scale + 0.5))
        cards = [nodes * self.kind.node_size] * len(self.asks)
        if self.dip is not None:
            left = (nodes - nodes * self.dip.percent // 100) * self.kind.node_size
            cards[self.dip.first : self.dip.end] = [left] * (self.dip.end - self.dip.first)
        return tuple(cards)

    def offer(self, scale: float) -> Offer:
        return Offer(
            id=self.number,
            site=self.site.id,
            fabric=self.number,
            model=self.kind.model,
            stack=self.stack,
            first_slot=self.first_slot,
            free=self.free(scale),
            asks=self.asks,
            lot=self.lot,
            minimum_duration=self.minimum_duration,
            notice=self.notice,
            entered=self.number,
        )


class Cards:
    """Card-hours of all drafts together, as arrays: what ``Draft.free`` sums up to."""

    def __init__(self, models: Sequence[str], drafts: Sequence[Draft]) -> None:
        number = {slug: index for index, slug in enumerate(models)}
        self._models = len(models)
        self._model = np.array([number[draft.kind.model] for draft in drafts], dtype=np.int64)
        self._size = np.array([draft.kind.node_size for draft in drafts], dtype=np.int64)
        self._weight = np.array([draft.weight for draft in drafts])
        self._hours = np.array([len(draft.asks) for draft in drafts], dtype=np.int64)
        dips = [draft.dip or NO_DIP for draft in drafts]
        self._dip = np.array([dip.end - dip.first for dip in dips], dtype=np.int64)
        self._percent = np.array([dip.percent for dip in dips], dtype=np.int64)

    def card_hours(self, scale: float) -> NDArray[np.float64]:
        """By model, if a unit of weight is ``scale`` nodes."""
        nodes = np.maximum(1, (self._weight * scale + 0.5).astype(np.int64))
        sold = nodes * self._percent // 100 * self._dip
        hours = (nodes * self._hours - sold) * self._size
        return np.bincount(self._model, weights=hours, minlength=self._models).astype(np.float64)


def sites(known: Calibration, size: Size, label: str) -> tuple[Site, ...]:
    count = max(size.offers // OFFERS_PER_SITE, 2)
    return tuple(_site(known, number, chance(label, "site", number)) for number in range(1, count + 1))


def drafts(known: Calibration, size: Size, places: Sequence[Site], label: str) -> tuple[Draft, ...]:
    return tuple(
        _draft(known, size, places, number, chance(label, "offer", number))
        for number in range(1, size.offers + 1)
    )


def _site(known: Calibration, number: int, rng: random.Random) -> Site:
    # The first two sites make sure that no market is without a part of the world.
    where = {1: CHINA, 2: ABROAD}.get(number) or (CHINA if rng.random() < IN_CHINA else ABROAD)
    region = known.places[pick(rng, known.regions[where])]
    zone = known.zones[region.zone]
    share = pick(rng, RENEWABLE_PERCENT)
    return Site(
        id=number,
        owner=number,
        zone=zone.slug,
        jurisdiction=region.jurisdiction,
        currency=zone.currency,
        round_trips=round_trips(region.slug),
        bandwidth=pick(rng, BANDWIDTH),
        renewable_share=None if share is None else share * MICRO // 100,
        carbon=int(region.grid_gco2_per_kwh * 1000),
        verification=pick(rng, VERIFICATION),
        power_cap=(),
    )


def _draft(known: Calibration, size: Size, places: Sequence[Site], number: int, rng: random.Random) -> Draft:
    site = rng.choice(places)
    kind = pick(rng, known.kinds[CHINA if site.jurisdiction == "CN" else ABROAD])
    first, hours = _window(rng, size.slots)
    return Draft(
        number=number,
        site=site,
        kind=kind,
        stack=known.stacks[kind.model],
        first_slot=first,
        asks=tuple(_asks(rng, known.published(kind.model, site.currency), first, hours)),
        lot=kind.node_size if rng.random() < NODE_LOTS else 1,
        minimum_duration=pick(rng, MINIMUM_DURATION),
        notice=pick(rng, NOTICE_MINUTES),
        weight=min(rng.paretovariate(HEAVY_TAIL), HEAVIEST),
        dip=_dip(rng, hours) if rng.random() < SOLD_IN_PART else None,
    )


def _window(rng: random.Random, slots: int) -> tuple[int, int]:
    if rng.random() < WHOLE_HORIZON:
        return 0, slots
    hours = rng.randint(slots // 4, slots)
    return rng.randint(0, slots - hours), hours


def _asks(rng: random.Random, published: float, first: int, hours: int) -> Iterator[int]:
    """Micro-units by slot; six offers in ten ask less by night (all sites keep one clock here)."""
    level = published * _triangular(rng, IDLE_DISCOUNT)
    night = _triangular(rng, NIGHT_DISCOUNT) if rng.random() < NIGHT_SHARE else 1.0
    by_day, by_night = round(level * MICRO), round(level * night * MICRO)
    for slot in range(first, first + hours):
        hour = slot % 24
        yield by_night if hour in NIGHT or hour + 24 in NIGHT else by_day


def _dip(rng: random.Random, hours: int) -> Dip:
    first = rng.randrange(hours)
    return Dip(first, rng.randint(first + 1, hours), rng.choice((25, 50, 75, 100)))


def _triangular(rng: random.Random, shape: tuple[float, float, float]) -> float:
    return rng.triangular(*shape)
