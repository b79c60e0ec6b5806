"""A month of a fleet as a drawing: a row a day, a column an hour, in the time zone of the site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from marketplace.clock import HOUR
from marketplace.supply.fleet_hours import FleetHours, fleet_hours
from marketplace.supply.models import Fleet
from marketplace.supply.plan import DAY, PlannedHour, first_slot
from marketplace.supply.plan_forms import Month
from marketplace.web import charts, formats

ROW_HEIGHT = 20


@dataclass(frozen=True, slots=True)
class MonthBar:
    """Hours of a day that look the same."""

    x: str
    width: str
    y: int
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class MonthDay:
    day: date
    is_monday: bool
    has_plan: bool
    y: int


@dataclass(frozen=True, slots=True)
class MonthDrawing:
    days: Sequence[MonthDay]
    bars: Sequence[MonthBar]
    hours: Sequence[tuple[str, int]]

    @property
    def height(self) -> int:
        return ROW_HEIGHT * len(self.days)

    @property
    def mondays(self) -> Sequence[date]:
        """Weeks of which something is planned and that another week of the month follows."""
        last = self.days[-1].day
        weeks = {each.day - each.day.weekday() * DAY for each in self.days if each.has_plan}
        return [monday for monday in sorted(weeks) if monday + 7 * DAY <= last]


def drawing(
    fleet: Fleet, month: Month, zone: ZoneInfo, planned: Mapping[datetime, PlannedHour], *, now: datetime
) -> MonthDrawing:
    start, end = first_slot(month.first, zone), first_slot(month.last + DAY, zone)
    book = fleet_hours(fleet, start, end)
    highest = max((hour.ask for hour in planned.values()), default=None)
    hours = _Hours(book, planned, highest, now)
    bars: list[MonthBar] = []
    days: list[MonthDay] = []
    for number, day in enumerate(month.days):
        slots = list(_slots_of(day, zone))
        bars += _bars(number, slots, zone, hours)
        has_plan = any(slot in planned for slot in slots)
        days.append(MonthDay(day, day.weekday() == 0, has_plan, number * ROW_HEIGHT))
    return MonthDrawing(days, bars, [(charts.percent_of(hour, 24), hour) for hour in range(0, 24, 4)])


def _slots_of(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    slot, end = first_slot(day, zone), first_slot(day + DAY, zone)
    while slot < end:
        yield slot
        slot += HOUR


@dataclass(frozen=True, slots=True)
class _Hours:
    """What an hour of the month looks like, and what it says."""

    book: FleetHours
    planned: Mapping[datetime, PlannedHour]
    highest: Decimal | None
    now: datetime

    def look(self, slot: datetime) -> tuple[str, str]:
        hour = self.planned.get(slot)
        sold, listed = self.book.sold.get(slot, 0), self.book.listed.get(slot, 0)
        if hour is not None and slot >= self.now:
            clashes = not self.book.is_free_for(hour.cards, slot)
            kind = "planned" if hour.ask == self.highest else "planned-low"
            kind = "harm" if clashes else kind
            return kind, self._planned(hour, clashes=clashes)
        if sold:
            cards = formats.cards(sold)
            return "sold", _("%(cards)s sold of %(listed)s listed") % {"cards": cards, "listed": listed}
        if listed:
            return "offered", _("%(cards)s listed") % {"cards": formats.cards(listed)}
        return ("past", "") if slot < self.now else ("", "")

    @staticmethod
    def _planned(hour: PlannedHour, *, clashes: bool) -> str:
        told = {"cards": formats.cards(hour.cards), "ask": formats.number(hour.ask)}
        if clashes:
            return _("%(cards)s at %(ask)s planned, but other offers hold the cards") % told
        return _("%(cards)s at %(ask)s planned") % told


def _bars(row: int, slots: Sequence[datetime], zone: ZoneInfo, hours: _Hours) -> Iterator[MonthBar]:
    """On the two days of a year on which the clocks change, an hour is missing or drawn twice."""
    looks = [(slot.astimezone(zone).hour, *hours.look(slot)) for slot in slots]
    for (kind, label), run in groupby(looks, key=lambda look: look[1:]):
        if not kind:
            continue
        of_run = [hour for hour, _kind, _label in run]
        first, until = of_run[0], of_run[-1] + 1
        yield MonthBar(
            x=charts.percent_of(first, 24),
            width=charts.percent_of(until - first, 24),
            y=row * ROW_HEIGHT,
            kind=kind,
            label=f"{first}{formats.DASH}{until}: {label}" if label else "",
        )


def today_in(zone: ZoneInfo, now: datetime) -> date:
    return now.astimezone(zone).date()
