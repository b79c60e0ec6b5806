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
    BUDGET = "budget"
    CHOICE = "choice"
    OWNER_CAP = "owner_cap"
    POWER = "power"


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
    would do: of all that was tried. Other measured constraints name the strictest value that would
    do. ``MODEL``, ``PRECISION``, ``STACK`` and ``JURISDICTION`` name the slug to accept as well (for
    ``PRECISION``, instead). ``None`` stands for a constraint to be dropped altogether.
    """

    alternative: int
    constraint: Constraint
    value: int | str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request got what it got. ``binding`` is the constraint that decided a no.

    It is the one that the remedy changes, where there is a remedy, or the group but for which the request
    would fit as it is.

    ``price`` is what a refused request would have had to pay per unit-hour at the clearing prices
    (at the ask where nothing was sold), in micro-units of its currency rounded up, wherever that is
    least; ``None`` where no offer could have served it. ``foregone`` is its gain at those prices, in
    micro-units of the base currency: above 0 it was in the money and yet refused.
    """

    request: int
    outcome: Outcome
    binding: Constraint | None
    funnels: tuple[Funnel, ...]
    remedy: Remedy | None
    price: int | None
    foregone: int


@dataclass(frozen=True, slots=True)
class LowerAsk:
    """The highest flat ask, micro-units per card-hour, that a refused request would have borne.

    ``card_hours`` more would have sold at it.
    """

    ask: int
    card_hours: int


@dataclass(frozen=True, slots=True)
class OfferOutcome:
    """Card-hours of an offer inside the horizon: free before the run, and sold by it."""

    offer: int
    free: int
    sold: int
    remedy: LowerAsk | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """Shadow prices of a card-hour of these offers, one a slot of the horizon.

    Micro-units of the base currency. Every offer is in exactly one of a bound's shadows.
    """

    offers: tuple[int, ...]
    prices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """No placement whatever has an objective above ``value`` micro-units of the base currency.

    Proven by weak duality from the shadow prices alone (see ``docs/engine.md``).
    """

    value: int
    shadows: tuple[Shadow, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one run, in micro-units of the snapshot's base currency.

    ``surplus`` is what buyers declared less what owners asked. ``objective`` is the surplus less the
    carbon price of what is placed; it is the same where there is no carbon price. ``repriced``
    counts the orders that were given up because no uniform price could be found with them.
    """

    format: int
    engine: str
    snapshot: str
    surplus: int
    objective: int
    bound: Bound
    repriced: int
    placements: tuple[Placement, ...]
    prices: tuple[Price, ...]
    explanations: tuple[Explanation, ...]
    offers: tuple[OfferOutcome, ...]
