"""Slots and micro-units: how figures of the database become the engine's integers."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from marketplace.clock import HOUR
from marketplace.engine import MICRO

MEBIBYTES_A_GIGABYTE = 1024


def micro(value: Decimal, rounding: str) -> int:
    """A decimal in micro-units."""
    return int((value * MICRO).to_integral_value(rounding))


def optional_int(value: Decimal | None, scale: int, rounding: str) -> int | None:
    return None if value is None else int((value * scale).to_integral_value(rounding))


def entered(moment: datetime) -> int:
    """Time of entry in microseconds since the epoch."""
    return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // timedelta(microseconds=1)


class Window:
    """The horizon: slot numbers of moments."""

    def __init__(self, start: datetime, slots: int) -> None:
        self.start, self.slots, self.end = start, slots, start + slots * HOUR

    def slot_from(self, moment: datetime) -> int:
        """The first slot that begins at or after a moment, at least 0."""
        return max(0, -((self.start - moment) // HOUR))

    def slot_until(self, moment: datetime) -> int:
        """The slot before which everything has ended by a moment, at most the horizon's length."""
        return min(self.slots, (moment - self.start) // HOUR)
