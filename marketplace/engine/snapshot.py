"""What a market run clears: frozen, plain, integers only.

Units, everywhere in this package:

- money: micro-units (1e-6) of a currency
- normalised PFLOPS: micro-nP
- slots: UTC hours counted from the start of the horizon; slot 0 is its first hour
- shares: parts per million (ppm)
- time on the wire: microseconds; bandwidth: Mbit/s; memory: MiB; carbon: mg CO2 per kWh; power: W

Names (models, zones, places, stacks) are the catalogue's slugs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MICRO = 1_000_000


class Workload(StrEnum):
    """The classes of work that a card's rate is normalised for."""

    TRAINING = "training"
    FINE_TUNING = "fine_tuning"
    INFERENCE_PREFILL = "inference_prefill"
    INFERENCE_DECODE = "inference_decode"
    VISION = "vision"
    HPC_FP64 = "hpc_fp64"


class Precision(StrEnum):
    FP64 = "fp64"
    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    INT8 = "int8"


class Unit(StrEnum):
    """What a request's amount counts."""

    CARDS = "cards"
    NP = "np"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one card does in one workload class, micro-nP: best estimate and lower bound."""

    workload: Workload
    point: int
    lower: int


@dataclass(frozen=True, slots=True)
class Model:
    """An accelerator model as of the snapshot's profile version. ``power`` is what one card draws."""

    slug: str
    memory: int
    power: int | None
    precisions: tuple[Precision, ...]
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Currency:
    """Micro-units of the snapshot's base currency for one whole unit of this one."""

    code: str
    base_micro: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Round-trip time between a site and a place that a request may name."""

    place: str
    microseconds: int


@dataclass(frozen=True, slots=True)
class Site:
    """A data centre. ``None`` is a fact nobody has stated: it satisfies no request that asks for it.

    ``power_cap`` is what the cards sold at this site may still draw together in each slot of the
    horizon; empty where the site has no cap.
    """

    id: int
    owner: int
    zone: str
    jurisdiction: str
    currency: str
    round_trips: tuple[RoundTrip, ...]
    bandwidth: int | None
    renewable_share: int | None
    carbon: int | None
    verification: int
    power_cap: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SiteHours:
    """What varies by the hour at a site: one figure a slot of the horizon instead of the site's own.

    Empty where the site's own figure holds in every slot; not both are.
    """

    site: int
    renewable_share: tuple[int, ...]
    carbon: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Cards of one fleet for sale over consecutive slots.

    ``free`` and ``asks`` have one entry a slot from ``first_slot``: cards not yet sold, and the
    lowest price per card-hour in micro-units of the site's currency. ``fabric`` names the cards
    that one interconnect joins (a fleet's id). ``minimum_duration`` is in slots; ``notice`` is the
    warning, in minutes, that the owner gives before an interruption.
    """

    id: int
    site: int
    fabric: int
    model: str
    stack: str
    first_slot: int
    free: tuple[int, ...]
    asks: tuple[int, ...]
    lot: int
    minimum_duration: int
    notice: int
    entered: int


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    place: str
    microseconds: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to satisfy a request; ``None`` and empty tuples mean "no such constraint".

    ``amount`` is cards, or micro-nP of ``workload``; ``limit`` is micro-units of the request's
    currency for one card (or one whole nP) for one hour. With ``careful`` a card counts at the
    lower bound of its rate.

    How the cards come together:

    - ``gangs`` is 0: ``amount`` over the same ``duration`` slots, from any offers;
    - ``gangs`` is n > 0: over the same slots, in n equal parts, each on one site and one fabric;
    - ``divisible``: ``amount * duration`` unit-hours in all, anywhere in the window, from any offers.
      The work goes on without a pause once it has begun, unless it is ``interruptible``.
    """

    position: int
    unit: Unit
    amount: int
    limit: int
    workload: Workload
    models: tuple[str, ...]
    careful: bool
    gangs: int
    divisible: bool
    interruptible: bool
    precision: Precision | None
    memory: int | None
    earliest: int
    duration: int
    deadline: int
    latency: LatencyLimit | None
    bandwidth: int | None
    jurisdictions: tuple[str, ...]
    stacks: tuple[str, ...]
    renewable_share: int | None
    carbon: int | None
    verification: int | None
    notice: int | None

    @property
    def gang(self) -> bool:
        return self.gangs > 0


@dataclass(frozen=True, slots=True)
class Request:
    """A bid. Exactly one alternative is taken, or none.

    ``least`` is the smallest part of the amount, in ppm, that may be filled: 1_000_000 is all or
    nothing. ``entered`` orders requests by time of entry.
    """

    id: int
    buyer: int
    currency: str
    least: int
    entered: int
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """What these requests may pay together: at most ``amount`` micro-units of ``currency``."""

    id: int
    requests: tuple[int, ...]
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Choice:
    """At most ``most`` of these requests are matched."""

    id: int
    requests: tuple[int, ...]
    most: int


@dataclass(frozen=True, slots=True)
class OwnerCap:
    """The card-hours that a buyer may still take from one owner."""

    buyer: int
    owner: int
    card_hours: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One market at one moment. ``slots`` is the length of the horizon in hours.

    ``site_hours`` are of format 3; a market in which nothing varies by the hour has none, and format 2.

    ``carbon_price`` is what the operator counts a kilogram of CO2 at, in micro-units of the base
    currency: it steers the choice of placements and nobody pays it.
    """

    format: int
    horizon_start: str
    slots: int
    base_currency: str
    currencies: tuple[Currency, ...]
    models: tuple[Model, ...]
    sites: tuple[Site, ...]
    offers: tuple[Offer, ...]
    requests: tuple[Request, ...]
    budgets: tuple[Budget, ...] = ()
    choices: tuple[Choice, ...] = ()
    owner_caps: tuple[OwnerCap, ...] = ()
    carbon_price: int = 0
    site_hours: tuple[SiteHours, ...] = ()
