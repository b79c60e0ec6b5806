"""The months of a term agreement, as intervals of UTC.

A month is one of the calendar in the agreement's time zone. Where somebody wants to see years pass in an
afternoon (the demo), it is a number of hours instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.translation import gettext as _

from marketplace.errors import InvalidInput

MONTH = "month"
HOURS = re.compile(r"hours:([1-9][0-9]{0,3})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Interval = tuple[datetime, datetime]


def months(first: datetime, count: int, zone: str, calendar: str = MONTH) -> Sequence[Interval]:
    """``count`` months from the one that ``first`` lies in, as [start, end) in UTC.

    Months of the calendar go from midnight to midnight in the zone. A slot belongs to the month that its
    beginning lies in, so a change of the clocks makes a month an hour longer or shorter, and nothing is
    lost or counted twice.
    """
    place = zone_named(zone)
    found = HOURS.fullmatch(calendar)
    if found is not None:
        return _of_hours(first, count, timedelta(hours=int(found[1])))
    if calendar != MONTH:
        raise ValueError(f"a month is 'month', or for example 'hours:24'; not {calendar!r}")
    local = first.astimezone(place)
    number = local.year * 12 + local.month - 1
    borders = [
        datetime(each // 12, each % 12 + 1, 1, tzinfo=place).astimezone(UTC)
        for each in range(number, number + count + 1)
    ]
    return list(pairwise(borders))


def zone_named(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            _("These are no terms."), {"time_zone": _("There is no such time zone.")}
        ) from error


def _of_hours(first: datetime, count: int, length: timedelta) -> Sequence[Interval]:
    start = EPOCH + (first - EPOCH) // length * length
    return [(start + number * length, start + (number + 1) * length) for number in range(count)]
