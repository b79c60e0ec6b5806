"""What the demo market is made of: plain frozen facts, to be written to the database or to a snapshot.

Money is per card-hour (or nP-hour) in the named currency. Shares are between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketplace.engine.snapshot import Precision, Unit, Workload


@dataclass(frozen=True, slots=True)
class OrganisationSpec:
    """A fictional owner or buyer. ``kind`` is "owner" or "buyer"; ``region`` is where it sits."""

    slug: str
    kind: str
    name_en: str
    name_zh: str
    region: str
    jurisdiction: str
    time_zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A data centre. ``weight`` is its share in the dealing of nodes."""

    slug: str
    owner: str
    name_en: str
    name_zh: str
    region: str
    zone: str
    jurisdiction: str
    currency: str
    latitude: Decimal
    longitude: Decimal
    time_zone: str
    utc_offset_hours: Decimal
    pue: Decimal
    renewable_share: Decimal
    verification: int
    bandwidth_mbps: int
    weight: int


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """The cards of one model and node size at a site. ``trace_model`` is what they were in the trace."""

    slug: str
    site: str
    model: str
    cards: int
    node_size: int
    interconnect: str
    stack: str
    trace_model: str


@dataclass(frozen=True, slots=True)
class OfferSpec:
    """Cards of a fleet for sale from ``first_hour`` after the market's start, for ``hours`` hours.

    ``hourly_asks`` is empty where ``ask`` holds for the whole window.
    """

    slug: str
    fleet: str
    cards: int
    first_hour: int
    hours: int
    currency: str
    ask: Decimal
    hourly_asks: tuple[Decimal, ...]
    lot: int
    minimum_hours: int
    notice_minutes: int

    def window(self, start: datetime) -> tuple[datetime, datetime]:
        first = start + timedelta(hours=self.first_hour)
        return first, first + timedelta(hours=self.hours)


@dataclass(frozen=True, slots=True)
class LatencySpec:
    region: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class AlternativeSpec:
    """One way to satisfy a request. ``None`` and empty tuples mean "no such constraint".

    ``amount`` counts cards, or nP of ``workload``. ``earliest_in_hours`` and ``deadline_in_hours`` count
    from the first full hour after the request enters.
    """

    unit: Unit
    amount: Decimal
    limit: Decimal
    workload: Workload
    models: tuple[str, ...]
    careful: bool
    gang: bool
    precision: Precision | None
    memory_gb: int | None
    earliest_in_hours: int
    duration_hours: int
    deadline_in_hours: int
    latency: LatencySpec | None
    bandwidth_mbps: int | None
    jurisdictions: tuple[str, ...]
    stacks: tuple[str, ...]
    renewable_share: Decimal | None
    carbon: Decimal | None
    verification: int | None
    notice_minutes: int | None


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """A bid. ``least`` is the smallest share of the amount that may be filled; 1 is all or nothing."""

    reference: str
    title: str
    buyer: str
    currency: str
    enter_after_hours: int
    least: Decimal
    alternatives: tuple[AlternativeSpec, ...]
