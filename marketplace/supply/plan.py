"""A plan of offers: what an owner drew on the calendar of a fleet, and the offers that come of it.

A plan is blocks of days × hours in the time zone of the site. Later blocks replace earlier ones where they
overlap. Hours in a row with the same number of cards become one offer with an ask for each hour: a buyer can
then run through day and night on the same cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Self
from zoneinfo import ZoneInfo

from marketplace.clock import HOUR
from marketplace.supply.rules import LONGEST_OFFER_HOURS, OfferInput

DAY = timedelta(days=1)
WEEK = 7 * DAY
MOST_BLOCKS = 100
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Block:
    """The same hours of each day from one day to another, for so many cards at one ask or two.

    ``until_hour`` is the first hour that does not belong to it, 24 for the end of the day.
    """

    first_day: date
    last_day: date
    from_hour: int
    until_hour: int
    cards: int
    ask: Decimal
    night_ask: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What ``str`` wrote; ``ValueError`` for anything else."""
        first, last, hours, cards, ask, night = text.split("_")
        begins, ends = hours.split("-")
        try:
            block = cls(
                first_day=date.fromisoformat(first),
                last_day=date.fromisoformat(last),
                from_hour=int(begins),
                until_hour=int(ends),
                cards=int(cards),
                ask=Decimal(ask),
                night_ask=Decimal(night) if night else None,
            )
        except InvalidOperation as error:
            raise ValueError(text) from error
        return block.checked()

    def checked(self) -> Self:
        """Itself; ``ValueError`` where no calendar shows such a block."""
        in_order = self.first_day <= self.last_day and 0 <= self.from_hour < self.until_hour <= 24
        in_time = self.first_day.year >= 2000 and self.last_day.year < 2199
        short = (self.last_day - self.first_day).days * 24 <= LONGEST_OFFER_HOURS
        asks = [self.ask] if self.night_ask is None else [self.ask, self.night_ask]
        of_size = 0 < self.cards <= LARGEST and all(ask.is_finite() for ask in asks)
        if not (in_order and in_time and short and of_size):
            raise ValueError(f"no block of days and hours: {self}")
        return self

    def __str__(self) -> str:
        hours = f"{self.from_hour}-{self.until_hour}"
        night = "" if self.night_ask is None else f"{self.night_ask:f}"
        return f"{self.first_day}_{self.last_day}_{hours}_{self.cards}_{self.ask:f}_{night}"

    def covers(self, local: datetime) -> bool:
        return (
            self.first_day <= local.date() <= self.last_day and self.from_hour <= local.hour < self.until_hour
        )

    def within(self, first: date, last: date) -> Self | None:
        """The part of it on these days."""
        start, end = max(self.first_day, first), min(self.last_day, last)
        return replace(self, first_day=start, last_day=end) if start <= end else None

    def later(self, by: timedelta) -> Self:
        return replace(self, first_day=self.first_day + by, last_day=self.last_day + by)


@dataclass(frozen=True, slots=True)
class DayHours:
    """From when to when it is day for the ask; the rest is night."""

    begins: int
    ends: int

    def ask_of(self, block: Block, hour: int) -> Decimal:
        is_day = self.begins <= hour < self.ends
        return block.ask if is_day or block.night_ask is None else block.night_ask


@dataclass(frozen=True, slots=True)
class PlannedHour:
    cards: int
    ask: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """What all offers of a plan have in common."""

    lot: int
    minimum_hours: int
    notice_minutes: int


def copied_week(blocks: Sequence[Block], monday: date, until: date) -> Sequence[Block]:
    """What is planned in the week from ``monday``, once more in each week that begins up to ``until``."""
    week = [part for block in blocks if (part := block.within(monday, monday + WEEK - DAY))]
    copies: list[Block] = []
    for number in range(1, (until - monday) // WEEK + 1):
        moved = (block.later(number * WEEK) for block in week)
        copies += [part for block in moved if (part := block.within(monday, until))]
    return copies


def planned_hours(blocks: Sequence[Block], zone: ZoneInfo, day: DayHours) -> Mapping[datetime, PlannedHour]:
    """What is planned for each UTC hour that some block covers, by hour."""
    planned: dict[datetime, PlannedHour] = {}
    for slot in _slots(blocks, zone):
        local = slot.astimezone(zone)
        block = next((block for block in reversed(blocks) if block.covers(local)), None)
        if block is not None:
            planned[slot] = PlannedHour(block.cards, day.ask_of(block, local.hour))
    return planned


def _slots(blocks: Sequence[Block], zone: ZoneInfo) -> Iterator[datetime]:
    if not blocks:
        return
    slot = first_slot(min(block.first_day for block in blocks), zone)
    end = first_slot(max(block.last_day for block in blocks) + DAY, zone)
    while slot < end:
        yield slot
        slot += HOUR


def first_slot(day: date, zone: ZoneInfo) -> datetime:
    """The first UTC hour that begins on a day of the zone."""
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    whole = midnight.replace(minute=0, second=0, microsecond=0)
    return whole if whole == midnight else whole + HOUR


def offers_of(planned: Mapping[datetime, PlannedHour], terms: Terms) -> Sequence[OfferInput]:
    """One offer for hours in a row with the same number of cards."""
    numbered = enumerate(sorted(planned.items()))
    runs = groupby(numbered, key=lambda each: (each[1][1].cards, each[1][0] - each[0] * HOUR))
    return [_offer(cards, [hour for _, hour in run], terms) for (cards, _), run in runs]


def _offer(cards: int, hours: Sequence[tuple[datetime, PlannedHour]], terms: Terms) -> OfferInput:
    asks = tuple(hour.ask for _, hour in hours)
    return OfferInput(
        cards=cards,
        starts_at=hours[0][0],
        ends_at=hours[-1][0] + HOUR,
        asks=asks[:1] if len(set(asks)) == 1 else asks,
        lot=terms.lot,
        minimum_hours=terms.minimum_hours,
        notice_minutes=terms.notice_minutes,
    )
