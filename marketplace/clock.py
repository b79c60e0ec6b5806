"""Market time.

Market time is ``market_anchor + (wall time - wall_anchor) × speed``. In production the speed is 1
and the anchors are equal, so market time is wall time. Services take ``now`` as an argument; only
views, API endpoints and tasks, at the edge, ask the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

HOUR = timedelta(hours=1)
# What anybody may write down. Near the ends of the calendar neither arithmetic nor a zone's offset holds.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MarketClock:
    wall_anchor: datetime
    market_anchor: datetime
    speed: int

    def at(self, wall: datetime) -> datetime:
        """Market time at a wall time (both aware, UTC)."""
        return self.market_anchor + (wall - self.wall_anchor) * self.speed

    def now(self) -> datetime:
        return self.at(datetime.now(UTC))

    def wall_seconds(self, span: timedelta) -> float:
        """How many wall seconds a span of market time takes."""
        return span.total_seconds() / self.speed


def market_clock() -> MarketClock:
    return MarketClock(
        wall_anchor=settings.CLOCK_WALL_ANCHOR,
        market_anchor=settings.CLOCK_MARKET_ANCHOR,
        speed=settings.CLOCK_SPEED,
    )


def market_now() -> datetime:
    return market_clock().now()


def is_of_our_time(moment: datetime) -> bool:
    """Whether a moment that somebody entered can be reckoned with and shown in every zone."""
    return EARLIEST <= moment < LATEST


def floor_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def next_hour(moment: datetime) -> datetime:
    """The first full hour strictly after a moment."""
    return floor_hour(moment) + HOUR


def hours_between(start: datetime, end: datetime) -> int:
    """Whole hours from one full hour to another; refuses anything else."""
    seconds = (end - start) // timedelta(seconds=1)
    if seconds % 3600 or (end - start) % timedelta(seconds=1):
        raise ValueError(f"{start:%FT%T} to {end:%FT%T} is not a whole number of hours")
    return seconds // 3600
