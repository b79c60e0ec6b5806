"""How busy a card really is: replays duty cycles that were measured minute by minute.

A card's key chooses one of 48 series and where in it to begin, so a card has the same past and future
each time it is asked about. A series that ends begins again. The mean is 7 %, as measured: cards that
are reserved are mostly idle.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from itertools import accumulate

from demo.extract_files import read
from demo.extract_trace import SECONDS_ALPHABET
from demo.trace import FOLDER


@dataclass(frozen=True, slots=True)
class Series:
    """Busy seconds of each minute, and of all minutes before it; the last entry is the whole."""

    seconds: tuple[int, ...]
    before: tuple[int, ...]

    def until(self, second: int) -> int:
        """Busy seconds from the series' beginning, repeated as often as needed, to ``second``.

        Within a minute the busy seconds are spread evenly.
        """
        minute, part = divmod(second, 60)
        rounds, place = divmod(minute, len(self.seconds))
        return rounds * self.before[-1] + self.before[place] + part * self.seconds[place] // 60


@cache
def load_series() -> tuple[Series, ...]:
    """The extract's series. Raises ValueError when a row does not add up to its own sum."""
    found = []
    for row in read(FOLDER / "duty_cycle.csv"):
        seconds = tuple(SECONDS_ALPHABET.index(character) for character in row["minutes"])
        if sum(seconds) != int(row["busy_seconds"]):
            raise ValueError(f"duty cycle series {row['series']} is damaged")
        found.append(Series(seconds, tuple(accumulate(seconds, initial=0))))
    return tuple(found)


def busy_seconds(card_key: str, start: datetime, end: datetime) -> int:
    """Whole seconds for which a card was busy from ``start`` to ``end``.

    Intervals add up: two that adjoin give what the whole gives. Fractions of a second are cut off.
    Raises ValueError for naive times and for an end before the start.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("duty cycles are asked for with aware times")
    if end < start:
        raise ValueError(f"the interval ends before it starts: {start} to {end}")
    series, offset = _place(card_key)
    return series.until(offset + int(end.timestamp())) - series.until(offset + int(start.timestamp()))


@lru_cache(maxsize=100_000)
def _place(card_key: str) -> tuple[Series, int]:
    digest = hashlib.sha256(card_key.encode()).digest()
    series = load_series()[int.from_bytes(digest[:8], "big") % len(load_series())]
    return series, 60 * (int.from_bytes(digest[8:16], "big") % len(series.seconds))
