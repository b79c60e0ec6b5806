"""Energy and carbon of an agreement: as expected when it was concluded, and as metered.

Carbon is told twice, as the GHG Protocol's Scope 2 Guidance (2015) asks: *location-based* at what the grid
emits there and then, and *market-based* at what was contracted. A direct line emits nothing in both.
Expected, market-based counts the certificates that the site declares; metered, those matched to the hour.
Where nobody knows a residual mix the grid's average stands for it.

Energy is rounded to whole Wh once, hour by hour; Wh times g/kWh are mg, and are not rounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from billing.metering.models import Meter, MeteredHour
from marketplace.agreements.models import Agreement
from marketplace.audit.carbon.models import CertificateUse
from marketplace.clock import HOUR
from marketplace.energy.models import Basis
from marketplace.energy.selectors import Power, power_of
from marketplace.supply.models import Site

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Hour:
    """Wh drawn in an hour with what the site adds to it (PUE), and what they emit, in mg.

    ``estimated`` where no meter counted energy: then it is active time at the design power. ``covered`` are
    Wh of certificates, ``uncovered`` what else came from the grid. ``basis`` is what is known of the power.
    """

    hour: datetime
    wh: int
    located: Decimal
    contracted: Decimal
    covered: int
    uncovered: int
    estimated: bool
    basis: str

    @property
    def located_g(self) -> Decimal:
        return self.located / 1_000

    @property
    def contracted_g(self) -> Decimal:
        return self.contracted / 1_000

    @property
    def basis_name(self) -> str:
        return str(Basis(self.basis).label)


@dataclass(frozen=True, slots=True)
class Figures:
    """Hours that were drawn, and their sums."""

    hours: Sequence[Hour]

    @property
    def kwh(self) -> Decimal:
        return Decimal(sum(each.wh for each in self.hours)) / 1_000

    @property
    def located_kg(self) -> Decimal:
        return sum((each.located for each in self.hours), Decimal(0)) / 1_000_000

    @property
    def contracted_kg(self) -> Decimal:
        return sum((each.contracted for each in self.hours), Decimal(0)) / 1_000_000

    @property
    def covered_kwh(self) -> Decimal:
        return Decimal(sum(each.covered for each in self.hours)) / 1_000

    @property
    def estimated_hours(self) -> int:
        return sum(each.estimated for each in self.hours)

    @property
    def annual_hours(self) -> int:
        """Hours of which nothing is known but what the site declares for the year."""
        return sum(each.basis == Basis.ANNUAL for each in self.hours)


def expected(agreement: Agreement) -> Figures | None:
    """All cards at their design power for the whole window, by what was told when it was concluded.

    ``None`` where nobody has stated the power of the model.
    """
    watts, site = _watts(agreement), _site(agreement)
    if watts is None:
        return None
    powers = power_of(site, agreement.starts_at, agreement.ends_at, as_of=agreement.concluded_at)
    found = []
    for power in powers:
        wh = _whole(agreement.cards * watts * power.pue)
        located, contracted = wh * power.located, wh * power.supplied
        found.append(Hour(power.hour, wh, located, contracted, 0, 0, True, power.basis))
    return Figures(found)


def metered(agreement: Agreement) -> Figures | None:
    """What meters counted, at the PUE and the power of each hour; ``None`` where it cannot be told."""
    drawn = _drawn(agreement)
    if drawn is None:
        return None
    powers = {each.hour: each for each in power_of(_site(agreement), *_span(agreement, drawn))}
    covered = covered_by_hour([agreement.pk])
    return Figures(
        [
            _metered_hour(powers[hour], cards_wh, estimated, covered.get((agreement.pk, hour), 0))
            for hour, (cards_wh, estimated) in sorted(drawn.items())
        ]
    )


def covered_by_hour(agreements: Sequence[int]) -> Mapping[tuple[int, datetime], int]:
    """Wh of certificates by agreement and hour."""
    uses = CertificateUse.objects.filter(agreement__in=agreements).order_by("agreement")
    rows = uses.values_list("agreement", "certificate__hour").annotate(wh=Sum("wh"))
    return {(agreement, hour): wh for agreement, hour, wh in rows}


def _metered_hour(power: Power, cards_wh: Decimal, estimated: bool, covered: int) -> Hour:
    wh = _whole(cards_wh * power.pue)
    from_grid = max(wh * (1 - power.direct) - covered, Decimal(0))
    return Hour(
        hour=power.hour,
        wh=wh,
        located=wh * power.located,
        contracted=from_grid * power.grid,
        covered=covered,
        uncovered=int(from_grid),
        estimated=estimated,
        basis=power.basis,
    )


Drawn = Mapping[datetime, tuple[Decimal, bool]]
"""Wh of the cards by hour, and whether that is an estimate."""


def _drawn(agreement: Agreement) -> Drawn | None:
    meters: dict[datetime, dict[str, int]] = defaultdict(dict)
    rows = MeteredHour.objects.filter(
        delivery__agreement=agreement, meter__in=[Meter.ENERGY, Meter.ACTIVE]
    ).order_by("slot")
    for slot, meter, quantity in rows.values_list("slot", "meter", "quantity"):
        meters[slot][meter] = meters[slot].get(meter, 0) + quantity
    watts = _watts(agreement)
    found: dict[datetime, tuple[Decimal, bool]] = {}
    for slot, counted in meters.items():
        if Meter.ENERGY in counted:
            found[slot] = Decimal(counted[Meter.ENERGY]), False
        elif watts is None:
            return None
        else:
            found[slot] = Decimal(counted[Meter.ACTIVE]) * watts / SECONDS_AN_HOUR, True
    return found


def _span(agreement: Agreement, drawn: Drawn) -> tuple[datetime, datetime]:
    """The window, and what was metered beyond it."""
    hours = [agreement.starts_at, agreement.ends_at - HOUR, *drawn]
    return min(hours), max(hours) + HOUR


def _watts(agreement: Agreement) -> int | None:
    return agreement.allocation.offer.fleet.model.tdp_w


def _site(agreement: Agreement) -> Site:
    return agreement.allocation.offer.fleet.site


def _whole(wh: Decimal) -> int:
    return int(wh.to_integral_value())
