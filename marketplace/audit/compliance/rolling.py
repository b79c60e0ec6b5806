"""What follows from measured days about a policy. Pure: no database, no clock, no floats.

A figure is a quotient of sums over a window of whole days that moves by a day. Where facts are missing it is
known only between two bounds, and a status is given only where both bounds lead to the same one: what is not
known neither passes nor fails anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

A_DAY = timedelta(days=1)
LONGEST_FORECAST = 366


class Status(StrEnum):
    COMPLIES = "complies"
    WARNING = "warning"
    CURING = "curing"
    BREACH = "breach"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Day:
    """One day's parts of the quotient: the numerator lies between ``least`` and ``most``."""

    least: Decimal
    most: Decimal
    whole: Decimal


@dataclass(frozen=True, slots=True)
class Rule:
    """The figures of a policy: see ``models.Policy``."""

    is_minimum: bool
    threshold: Decimal
    warning: Decimal
    window: int
    cure: int

    def status(self, least: Decimal, most: Decimal) -> Status:
        """Of a figure between two bounds; a breach is not yet told from one that is being cured."""
        low, high = self._of(least), self._of(most)
        return low if low == high else Status.UNKNOWN

    def _of(self, figure: Decimal) -> Status:
        above = figure - self.threshold if self.is_minimum else self.threshold - figure
        if above < 0:
            return Status.BREACH
        return Status.WARNING if above < self.warning else Status.COMPLIES


@dataclass(frozen=True, slots=True)
class Standing:
    """How a site stands towards a rule. ``least`` and ``most`` are equal where all is known.

    ``since`` is the first day of the breach, as far back as anything is known, and ``cure_until`` the first
    day on which it is cured too late. ``falls_on`` is the day on which it is in breach at today's rate.
    """

    status: Status
    least: Decimal | None = None
    most: Decimal | None = None
    since: date | None = None
    cure_until: date | None = None
    falls_on: date | None = None


def stand(rule: Rule, days: Sequence[Day | None], *, until: date) -> Standing:
    """``days`` end the day before ``until``; of a day that is ``None`` nothing is known."""
    bounds = bounds_of(days[-rule.window :], rule.window)
    if bounds is None:
        return Standing(Status.UNKNOWN)
    status = rule.status(*bounds)
    if status == Status.BREACH:
        since = _breach_since(rule, days, until)
        late = since + rule.cure * A_DAY
        return Standing(Status.CURING if until < late else status, *bounds, since=since, cure_until=late)
    return Standing(status, *bounds, falls_on=_falls_on(rule, days, until))


def bounds_of(days: Sequence[Day | None], window: int) -> tuple[Decimal, Decimal] | None:
    """The figure of a window, at least and at most; ``None`` where a day or all of the whole is missing."""
    known = [day for day in days if day is not None]
    whole = sum((day.whole for day in known), Decimal(0))
    if len(known) < window or not whole:
        return None
    return sum(day.least for day in known) / whole, sum(day.most for day in known) / whole


def _breach_since(rule: Rule, days: Sequence[Day | None], until: date) -> date:
    """The first of the days up to now on each of which the window that ended there was in breach."""
    for back in range(1, len(days) - rule.window + 1):
        bounds = bounds_of(days[-rule.window - back : -back], rule.window)
        if bounds is None or rule.status(*bounds) != Status.BREACH:
            return until - (back - 1) * A_DAY
    return until - max(len(days) - rule.window, 0) * A_DAY


def _falls_on(rule: Rule, days: Sequence[Day | None], until: date) -> date | None:
    """The first day in a year on which it is in breach if every day to come is like the last one.

    Old days leave the window one by one and the last day's parts take their place. ``None`` where it never
    is, or where the bounds disagree on the way before.
    """
    last = days[-1] if days else None
    if last is None:
        return None
    window = list(days[-rule.window :])
    for ahead in range(1, LONGEST_FORECAST + 1):
        window = [*window[1:], last]
        bounds = bounds_of(window, rule.window)
        status = Status.UNKNOWN if bounds is None else rule.status(*bounds)
        if status in {Status.BREACH, Status.UNKNOWN}:
            return until + ahead * A_DAY if status == Status.BREACH else None
        if ahead >= rule.window:
            return None  # from here on every window is the same
    return None
