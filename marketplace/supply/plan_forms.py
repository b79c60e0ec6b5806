"""The form of the calendar. All of a plan is in the address, so reloading, going back and signing in again
lose nothing of it."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from marketplace.supply.forms import DAY_BEGINS, DAY_ENDS, LARGEST, night_ask_field
from marketplace.supply.models import Fleet
from marketplace.supply.plan import MOST_BLOCKS, Block, DayHours, Terms, copied_week
from marketplace.web.fields import ExactField


@dataclass(frozen=True, slots=True)
class Month:
    first: date

    @classmethod
    def named(cls, text: str, today: date) -> Month:
        """The month that ``2026-03`` names; this one where the text names none that a plan could have."""
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            return cls(today.replace(day=1))
        return cls(first) if 2000 <= first.year < 2199 else cls(today.replace(day=1))

    @property
    def last(self) -> date:
        return self.first.replace(day=calendar.monthrange(self.first.year, self.first.month)[1])

    @property
    def before(self) -> Month:
        year, month = divmod(self.first.year * 12 + self.first.month - 2, 12)
        return Month(date(year, month + 1, 1))

    @property
    def after(self) -> Month:
        year, month = divmod(self.first.year * 12 + self.first.month, 12)
        return Month(date(year, month + 1, 1))

    @property
    def days(self) -> Sequence[date]:
        return [self.first.replace(day=day) for day in range(1, self.last.day + 1)]

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class BrushForm(forms.Form):
    """Days × hours at a price: what is drawn next."""

    first_day = forms.DateField(label=_("From day"), widget=DayInput())
    last_day = forms.DateField(label=_("To day"), widget=DayInput())
    from_hour = forms.IntegerField(label=_("From hour"), min_value=0, max_value=23)
    until_hour = forms.IntegerField(label=_("Until hour"), min_value=1, max_value=24)
    cards = forms.IntegerField(label=_("Cards"), min_value=1, max_value=LARGEST)
    ask = ExactField(label=_("Ask"), max_digits=18, decimal_places=6)
    night_ask = night_ask_field()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        days = data.get("first_day"), data.get("last_day")
        if days[0] and days[1] and days[0] > days[1]:
            self.add_error("last_day", _("The last day is not before the first."))
        hours = data.get("from_hour"), data.get("until_hour")
        if hours[0] is not None and hours[1] is not None and hours[0] >= hours[1]:
            self.add_error("until_hour", _("The hours end after they begin; for a whole day 0 and 24."))
        if not self.errors:
            try:
                Block(**data).checked()
            except ValueError:
                self.add_error("last_day", _("A plan reaches over a year at most, between 2000 and 2198."))
        return data

    def block(self) -> Block:
        return Block(**self.cleaned_data)


class TermsForm(forms.Form):
    """What holds for all offers of the plan."""

    day_begins = forms.IntegerField(label=_("The day begins at"), min_value=0, max_value=23)
    day_ends = forms.IntegerField(label=_("The day ends at"), min_value=1, max_value=24)
    lot = forms.IntegerField(
        label=_("Lot"),
        min_value=1,
        max_value=LARGEST,
        help_text=_("Cards are sold in multiples of this. The node size keeps nodes whole."),
    )
    minimum_hours = forms.IntegerField(label=_("Shortest sale"), min_value=1, max_value=LARGEST)
    notice_minutes = forms.IntegerField(
        label=_("Notice before an interruption"), min_value=0, max_value=LARGEST
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        begins, ends = data.get("day_begins"), data.get("day_ends")
        if begins is not None and ends is not None and begins >= ends:
            self.add_error("day_ends", _("The day ends after it begins."))
        return data


@dataclass(frozen=True, slots=True)
class Plan:
    """What the address says: a fleet, the month that is shown, and what was drawn so far."""

    fleet: Fleet
    month: Month
    blocks: Sequence[Block]
    leave_out: bool
    brush: BrushForm
    terms_form: TermsForm
    query: QueryDict

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.fleet.site.region.time_zone)

    @property
    def day(self) -> DayHours:
        data = _valid(self.terms_form)
        return DayHours(data.get("day_begins", DAY_BEGINS), data.get("day_ends", DAY_ENDS))

    @property
    def terms(self) -> Terms:
        data = _valid(self.terms_form)
        lot = data.get("lot", self.fleet.node_size)
        return Terms(lot, data.get("minimum_hours", 1), data.get("notice_minutes", 0))

    def after(self, step: str) -> QueryDict:
        """The address once a button was pressed: ``add``, ``remove-2``, ``copy-2026-03-02``, and so on."""
        blocks = list(self.blocks)
        name, _dash, argument = step.partition("-")
        if name == "add":
            blocks.append(self.brush.block())
        elif name == "clear":
            blocks = []
        elif name == "remove" and argument.isdigit() and int(argument) < len(blocks):
            del blocks[int(argument)]
        elif name == "copy":
            blocks += copied_week(blocks, date.fromisoformat(argument), self.month.last)
        query = self.query.copy()
        query.pop("do", None)
        if name in {"leave", "clear"}:
            query["leave_out"] = "yes" if name == "leave" else ""
        query.setlist("block", [str(block) for block in blocks[:MOST_BLOCKS]])
        return query


def _valid(form: forms.Form) -> dict[str, Any]:
    """What of a form holds: of what is not valid, nothing."""
    form.is_valid()
    return {name: value for name, value in form.cleaned_data.items() if name not in form.errors}


def plan_in(query: QueryDict, fleet: Fleet, today: date) -> Plan:
    """The plan that an address or a confirmed form holds; blocks that are none are passed over."""
    initial = _initial(fleet, Month.named(query.get("month", ""), today), today)
    filled = query.copy()
    for name, value in initial.items():
        filled.setdefault(name, str(value))
    return Plan(
        fleet=fleet,
        month=Month.named(query.get("month", ""), today),
        blocks=list(_blocks(query.getlist("block")[:MOST_BLOCKS])),
        leave_out=query.get("leave_out") == "yes",
        brush=BrushForm(filled) if query.get("do") == "add" else BrushForm(initial=filled.dict()),
        terms_form=TermsForm(filled),
        query=query,
    )


def _blocks(texts: Sequence[str]) -> Sequence[Block]:
    blocks = []
    for text in texts:
        try:
            blocks.append(Block.parse(text))
        except ValueError:
            continue
    return blocks


def _initial(fleet: Fleet, month: Month, today: date) -> dict[str, Any]:
    return {
        "first_day": max(month.first, min(today, month.last)),
        "last_day": month.last,
        "from_hour": 0,
        "until_hour": 24,
        "cards": fleet.cards,
        "day_begins": DAY_BEGINS,
        "day_ends": DAY_ENDS,
        "lot": fleet.node_size,
        "minimum_hours": 1,
        "notice_minutes": 0,
    }
