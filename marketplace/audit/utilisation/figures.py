"""Figures as readers get them: what ``models.Measures`` says, over any window and any group of fleets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Figures:
    """Card-seconds, nP-seconds, watt-hours, and hours of meters, in the words of ``models.Measures``."""

    installed: int
    offered: int
    sold: int
    allocated: int
    active: int
    np_installed: Decimal | None
    np_offered: Decimal | None
    np_sold: Decimal | None
    np_allocated: Decimal | None
    np_active: Decimal | None
    unrated: int
    not_offered: int
    unsold_price: int
    unsold_constraints: int
    unsold_unasked: int
    unsold_unknown: int
    not_called: int
    outage: int
    given_up: int
    unreported: int
    excess: int
    idle: int
    activity_unknown: int
    energy_wh: int | None
    energy_card_seconds: int
    expected: int
    arrived: int
    charged: int

    def __add__(self, other: Figures) -> Figures:
        sums: list[Any] = [_plus(getattr(self, name), getattr(other, name)) for name in NAMES]
        return Figures(*sums)

    @property
    def completeness(self) -> Decimal | None:
        """The share of the expected hours of meters that arrived; nothing where none was expected."""
        return Decimal(self.arrived) / self.expected if self.expected else None

    def share(self, level: str, of: str = "installed") -> Decimal | None:
        """One level as a share of another; nothing where that other one is 0."""
        whole: int = getattr(self, of)
        return Decimal(getattr(self, level)) / whole if whole else None

    @property
    def active_share(self) -> Decimal | None:
        return self.share("active")


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


NAMES = tuple(field.name for field in fields(Figures))
_EMPTY: list[Any] = [None if name.startswith(("np_", "energy_wh")) else 0 for name in NAMES]
NOTHING = Figures(*_EMPTY)


@dataclass(frozen=True, slots=True)
class Money:
    """What usage was charged, and what was given back for service levels and replacements (below 0)."""

    amount: Decimal
    credited: Decimal

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + other.amount, self.credited + other.credited)


@dataclass(frozen=True, slots=True)
class Row:
    """The cascade of one site, fleet, owner, hub, nation or model, with its money by currency.

    ``key`` is what the group is told by in addresses: an id, or the code of a nation.
    """

    key: str
    name: str
    figures: Figures
    money: Mapping[str, Money]


@dataclass(frozen=True, slots=True)
class AsOf:
    """The hours that are added up, ``[since, until)``, and when that was last looked at."""

    since: datetime
    until: datetime
    rolled_at: datetime
