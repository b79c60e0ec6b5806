"""Which hours a page or an answer of the API is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.utils.translation import gettext_lazy as _

from marketplace.audit.utilisation.figures import AsOf
from marketplace.clock import HOUR, is_of_our_time

HOURS = {1: _("Last hour"), 24: _("24 hours"), 168: _("7 days"), 720: _("30 days")}
USUAL = 24


@dataclass(frozen=True, slots=True)
class Window:
    """Full UTC hours ``[start, end)``, all of them added up; ``query`` chooses it again."""

    start: datetime
    end: datetime
    query: str

    @property
    def fields(self) -> list[tuple[str, str]]:
        """``query`` for a form."""
        return parse_qsl(self.query)

    @property
    def is_empty(self) -> bool:
        return self.start >= self.end


def window_of(asked: Mapping[str, str], seen: AsOf) -> Window:
    """What ``?month=2026-03``, ``?hour=2026-03-02T09`` or ``?hours=24`` names; anything else is a day."""
    month = _parsed(asked.get("month", ""), "%Y-%m")
    if month is not None:
        return _inside(month, month_after(month), f"month={month:%Y-%m}", seen)
    hour = _parsed(asked.get("hour", ""), "%Y-%m-%dT%H")
    if hour is not None:
        return _inside(hour, hour + HOUR, f"hour={hour:%Y-%m-%dT%H}", seen)
    named = asked.get("hours", "")
    hours = int(named) if named.isascii() and named.isdigit() and int(named) in HOURS else USUAL
    return _inside(seen.until - hours * HOUR, seen.until, f"hours={hours}", seen)


def tabs(window: Window, seen: AsOf) -> list[dict[str, Any]]:
    """The windows to choose from: the last hours, and the last two months that are added up."""
    last = (seen.until - HOUR).replace(day=1, hour=0)
    months = {last, month_before(last)} if month_before(last) >= month_of(seen.since) else {last}
    choices = [(str(label), f"hours={hours}") for hours, label in HOURS.items()]
    choices += [(f"{month:%Y-%m}", f"month={month:%Y-%m}") for month in sorted(months)]
    return [{"label": label, "url": f"?{query}", "active": query == window.query} for label, query in choices]


def month_of(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    return month_of(month + timedelta(days=31))


def month_before(month: datetime) -> datetime:
    return month_of(month - timedelta(days=1))


def _parsed(text: str, form: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if is_of_our_time(moment) else None


def _inside(start: datetime, end: datetime, query: str, seen: AsOf) -> Window:
    return Window(max(start, seen.since), min(end, seen.until), query)
