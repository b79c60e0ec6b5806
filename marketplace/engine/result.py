"""What a market run decided: frozen, plain, integers only. Units as in ``snapshot``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Constraint(StrEnum):
    """What can keep an offer from serving an alternative, in the order in which it is asked."""

    MODEL = "model"
    RATE = "rate"
    PRECISION = "precision"
    MEMORY = "memory"
    STACK = "stack"
    JURISDICTION = "jurisdiction"
    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    RENEWABLE_SHARE = "renewable_share"
    CARBON = "carbon"
    VERIFICATION = "verification"
    NOTICE = "notice"
    WINDOW = "window"
    CAPACITY = "capacity"
    LIMIT = "limit"


class Outcome(StrEnum):
    MATCHED = "matched"
    PARTLY = "partly"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Placement:
    """``cards`` of one offer for one alternative over ``slots`` slots from ``first_slot``."""

    request: int
    alternative: int
    offer: int
    first_slot: int
    slots: int
    cards: int


@dataclass(frozen=True, slots=True)
class Price:
    """Clearing price per card-hour of a product in a slot, micro-units of ``currency``.

    Where the sites of one zone sell in several currencies, each currency has its own price.
    """

    model: str
    zone: str
    slot: int
    currency: str
    price: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many offers each constraint removes from one alternative, first constraint first.

    ``offers`` is how many there were; constraints that remove none are left out.
    """

    alternative: int
    offers: int
    removed: tuple[tuple[Constraint, int], ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one change that would have matched after the run: ``constraint`` set to ``value``.

    For ``LIMIT`` the value is micro-units of the request's currency per unit-hour; for
    ``CAPACITY`` the largest amount that could be had; for ``WINDOW`` the earliest deadline that
    would do. Other measured constraints name the strictest value that would do. ``MODEL``,
    ``PRECISION``, ``STACK`` and ``JURISDICTION`` name the slug to accept as well (for
    ``PRECISION``, instead). ``None`` stands for a constraint to be dropped altogether.
    """

    alternative: int
    constraint: Constraint
    value: int | str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request got what it got. ``binding`` is the constraint that decided a no.

    It is the one that the remedy changes, where there is a remedy.
    """

    request: int
    outcome: Outcome
    binding: Constraint | None
    funnels: tuple[Funnel, ...]
    remedy: Remedy | None


@dataclass(frozen=True, slots=True)
class OfferOutcome:
    """Card-hours of an offer inside the horizon: free before the run, and sold by it."""

    offer: int
    free: int
    sold: int


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one run. ``surplus`` is micro-units of the snapshot's base currency."""

    format: int
    engine: str
    snapshot: str
    surplus: int
    placements: tuple[Placement, ...]
    prices: tuple[Price, ...]
    explanations: tuple[Explanation, ...]
    offers: tuple[OfferOutcome, ...]
