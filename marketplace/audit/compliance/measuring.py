"""What was measured of a site, day by day, in the terms of each kind of policy.

Every figure is that of the pages: utilisation from its roll-ups, power from the hours that were told, round
trips from the agents' measurements or the estimate that the clearing uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import F, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from marketplace.agreements.models import Agreement
from marketplace.audit.compliance.genuine import doubtful_seconds
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.rolling import Day
from marketplace.audit.utilisation.figures import Figures
from marketplace.audit.utilisation.selectors import as_of, site_periods
from marketplace.catalogue.jurisdictions import jurisdiction_name
from marketplace.catalogue.latency import RegionPoint, estimate
from marketplace.catalogue.models import Region
from marketplace.clock import HOUR, floor_hour
from marketplace.energy.selectors import Power, declared, told_hours
from marketplace.supply.models import Site
from marketplace.supply.selectors import fresh_round_trips

A_DAY = timedelta(days=1)
SECONDS_AN_HOUR = 3600
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Input:
    """A fact that a figure rests on, in words, with the unit that its amount is shown in."""

    label: str
    amount: Decimal | None = None
    unit: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Days that end with the last whole one, and what the window's figure was made of.

    ``why_not`` says what is missing where the figure is not known, or not known exactly.
    """

    days: Sequence[Day | None]
    inputs: Sequence[Input] = field(default_factory=tuple)
    why_not: str = ""


def last_midnight(now: datetime) -> datetime:
    return floor_hour(now).astimezone(UTC).replace(hour=0)


def measure(policy: Policy, site: Site, *, now: datetime, history: int) -> Measured:
    """The window of the policy and ``history`` days before it. The site comes with its region."""
    return KINDS[policy.kind](policy, site, last_midnight(now), policy.window_days + history)


def _utilisation(policy: Policy, site: Site, until: datetime, count: int) -> Measured:
    """The level over what is installed. What no reading tells lies between none and all of it."""
    periods = _days_of(site, until, count)
    days = [None if period is None else _day_of_level(policy.level, period) for period in periods]
    window = [period for period in periods[-policy.window_days :] if period is not None]
    unknown = sum((_untold(policy.level, each) for each in window), 0)
    inputs = [
        _card_hours(_("Installed"), sum(each.installed for each in window)),
        _card_hours(Policy.Level(policy.level).label, sum(getattr(each, policy.level) for each in window)),
    ]
    if unknown:
        inputs.append(_card_hours(_("Of which no reading tells whether they were"), unknown))
    return Measured(days, inputs, _missing_days(periods[-policy.window_days :]) or _some_untold(unknown))


def _genuine(policy: Policy, site: Site, until: datetime, count: int) -> Measured:
    """What is sold, less what is sold by agreements under a confirmed finding, over what is installed."""
    periods = _days_of(site, until, count)
    doubtful = doubtful_seconds(site, start=until - count * A_DAY, days=count)
    days: list[Day | None] = []
    for period, doubt in zip(periods, doubtful, strict=True):
        sold = None if period is None else Decimal(max(period.sold - doubt, 0))
        days.append(None if period is None or sold is None else Day(sold, sold, Decimal(period.installed)))
    window = [period for period in periods[-policy.window_days :] if period is not None]
    inputs = [
        _card_hours(_("Installed"), sum(each.installed for each in window)),
        _card_hours(_("Sold"), sum(each.sold for each in window)),
        _card_hours(_("By agreements under a confirmed finding"), sum(doubtful[-policy.window_days :])),
    ]
    return Measured(days, inputs, _missing_days(periods[-policy.window_days :]))


def _days_of(site: Site, until: datetime, count: int) -> list[Figures | None]:
    """Each day's cascade; ``None`` for a day that is not added up, or not yet to its end."""
    start, seen = until - count * A_DAY, as_of()
    found = {
        period.starts_at: period.figures
        for period in site_periods([site.pk], start=start, end=until, grain="day")
    }
    moments = (start + number * A_DAY for number in range(count))
    return [
        found.get(moment)
        if seen is not None and seen.since <= moment and moment + A_DAY <= seen.until
        else None
        for moment in moments
    ]


def _day_of_level(level: str, figures: Figures) -> Day:
    told = Decimal(getattr(figures, level))
    return Day(told, told + _untold(level, figures), Decimal(figures.installed))


def _untold(level: str, figures: Figures) -> int:
    """Card-seconds that may or may not have reached the level."""
    if level == Policy.Level.ALLOCATED:
        return figures.unreported
    return figures.unreported + figures.activity_unknown if level == Policy.Level.ACTIVE else 0


def _missing_days(window: Sequence[Figures | None]) -> str:
    missing = sum(each is None for each in window)
    if missing:
        return _("%(missing)s of %(days)s days are not added up yet.") % {
            "missing": missing,
            "days": len(window),
        }
    return "" if any(each and each.installed for each in window) else _("Nothing was installed.")


def _some_untold(unknown: int) -> str:
    return _("Readings are missing, and with them it could be either.") if unknown else ""


def _card_hours(label: str | Promise, seconds: int) -> Input:
    return Input(str(label), Decimal(seconds) / SECONDS_AN_HOUR, "card-h")


def _power(read: Callable[[Power], Decimal], unit: str) -> Callable[[Policy, Site, datetime, int], Measured]:
    """The mean of a figure of the site's power over the hours: every hour counts the same."""

    def measured(policy: Policy, site: Site, until: datetime, count: int) -> Measured:
        start = until - count * A_DAY
        told = told_hours([site.pk], start, until).get(site.pk, {})
        hours = [start + number * HOUR for number in range(count * HOURS_A_DAY)]
        found = [
            told.get(hour) or (declared(site, hour) if policy.accepts_declared else None) for hour in hours
        ]
        days = [
            _mean_day([None if each is None else read(each) for each in part]) for part in _in_days(found)
        ]
        window = found[-policy.window_days * HOURS_A_DAY :]
        of_which_told = sum(each is not None and each.is_hourly for each in window)
        inputs = [
            Input(_("Hours in the window"), Decimal(len(window)), "h"),
            Input(_("Of which the site told the hour’s own figure"), Decimal(of_which_told), "h"),
        ]
        if policy.accepts_declared:
            inputs.append(Input(_("What the owner declares for the year"), read(declared(site, until)), unit))
        missing = sum(each is None for each in window)
        why = _("Of %(missing)s hours nobody told anything.") % {"missing": missing} if missing else ""
        return Measured(days, inputs, why)

    return measured


def _in_days(hours: Sequence[Power | None]) -> Iterator[Sequence[Power | None]]:
    for first in range(0, len(hours), HOURS_A_DAY):
        yield hours[first : first + HOURS_A_DAY]


def _mean_day(figures: Sequence[Decimal | None]) -> Day | None:
    known = [each for each in figures if each is not None]
    if len(known) < len(figures):
        return None
    total = sum(known, Decimal(0))
    return Day(total, total, Decimal(len(known)))


def _latency(policy: Policy, site: Site, until: datetime, count: int) -> Measured:
    """To the nearest of the places: as the agent measured it, or within the band of the estimate."""
    places = list(Region.objects.filter(slug__in=policy.places).order_by("pk"))
    if len(places) < len(policy.places):
        return Measured([None] * count, why_not=_("The catalogue lacks a place that the policy names."))
    trips = fresh_round_trips(until + A_DAY).filter(site=site, region__in=places)
    measured = {trip.region_id: trip.milliseconds for trip in trips}
    bands = [(place, *band(site.region, place, measured.get(place.pk))) for place in places]
    least, most = min(low for _place, low, _high in bands), min(high for _place, _low, high in bands)
    inputs = [
        Input(str(place), high, "ms", _("measured") if place.pk in measured else _("estimated, at most"))
        for place, _low, high in bands
    ]
    why = "" if least == most else _("It is estimated, and the band of the estimate holds the limit.")
    return Measured([Day(least, most, Decimal(1))] * count, inputs, why)


def band(site: Region, place: Region, measured: Decimal | None) -> tuple[Decimal, Decimal]:
    """Milliseconds at least and at most: as measured, or by the estimate and its error."""
    if measured is not None:
        return measured, measured
    found = estimate(_point(site), _point(place))
    return Decimal(found.lower) / 1_000, Decimal(found.upper) / 1_000


def _point(region: Region) -> RegionPoint:
    return RegionPoint(region.slug, region.country, region.latitude, region.longitude)


def _residency(policy: Policy, site: Site, until: datetime, count: int) -> Measured:
    """Card-hours of work for buyers of the jurisdiction, in the window, at a site where it may not run."""
    sold = Agreement.objects.filter(
        allocation__offer__fleet__site=site,
        buyer__jurisdiction=policy.jurisdiction,
        starts_at__lt=until,
        ends_at__gt=until - policy.window_days * A_DAY,
    ).aggregate(card_hours=Sum(F("card_hours")))["card_hours"]
    where = site.region.jurisdiction
    outside = Decimal(0) if where in policy.places else Decimal(sold or 0)
    inputs = [
        Input(_("The site is in"), text=jurisdiction_name(where)),
        Input(_("The work may run in"), text=", ".join(map(jurisdiction_name, policy.places))),
        Input(_("Sold to such buyers"), Decimal(sold or 0), "card-h"),
    ]
    # A sum and no mean of days: each day says all of it.
    return Measured([Day(outside, outside, Decimal(1))] * count, inputs)


KINDS: Mapping[str, Callable[[Policy, Site, datetime, int], Measured]] = {
    Policy.Kind.UTILISATION: _utilisation,
    Policy.Kind.GENUINE: _genuine,
    Policy.Kind.PUE: _power(lambda power: power.pue, ""),
    Policy.Kind.RENEWABLE: _power(lambda power: power.renewable_share, "share"),
    Policy.Kind.LATENCY: _latency,
    Policy.Kind.RESIDENCY: _residency,
}
