"""Where billing periods begin and end: at full months, or every so many hours, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar(Protocol):
    def start_of(self, moment: datetime) -> datetime:
        """The last border at or before a moment."""

    def end_of(self, moment: datetime) -> datetime:
        """The first border after a moment."""


@dataclass(frozen=True, slots=True)
class Months:
    def start_of(self, moment: datetime) -> datetime:
        day = moment.astimezone(UTC)
        return datetime(day.year, day.month, 1, tzinfo=UTC)

    def end_of(self, moment: datetime) -> datetime:
        return self.start_of(self.start_of(moment) + timedelta(days=32))


@dataclass(frozen=True, slots=True)
class Hours:
    """Periods of ``hours`` hours, counted from the epoch."""

    hours: int

    def start_of(self, moment: datetime) -> datetime:
        length = timedelta(hours=self.hours)
        return EPOCH + (moment - EPOCH) // length * length

    def end_of(self, moment: datetime) -> datetime:
        return self.start_of(moment) + timedelta(hours=self.hours)


@cache
def parse_calendar(text: str) -> Calendar:
    """``month``, or ``hours:N`` with N of at least 1; ``ImproperlyConfigured`` for anything else."""
    if text == "month":
        return Months()
    match = re.fullmatch(r"hours:([1-9][0-9]{0,4})", text)
    if match is None:
        raise ImproperlyConfigured(
            f"BILLING_PERIOD is {text!r}; it must be 'month' or, for example, 'hours:24'"
        )
    return Hours(int(match[1]))


def calendar() -> Calendar:
    return parse_calendar(settings.BILLING_PERIOD)
