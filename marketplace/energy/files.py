"""Files of hours: read line by line, with what is wrong with each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from marketplace.energy.hours import COLUMNS, NEEDED, HourForm
from marketplace.errors import InvalidInput

MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """``given`` is what the hour is said to be; ``problems`` what is wrong, by column."""

    number: int
    values: dict[str, str]
    given: dict[str, Any]
    problems: dict[str, str]


def lines_of(text: str, now: datetime) -> Sequence[Line]:
    """Every line that says anything; ``InvalidInput`` where the file has no such columns."""
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InvalidInput(_("The file is no CSV: %(error)s.") % {"error": error}) from error
    heads = [head.strip().lower() for head in rows[0]] if rows else []
    missing = [name for name in NEEDED if name not in heads]
    if missing:
        message = _("The first line names no column %(missing)s. The columns are: %(columns)s.")
        raise InvalidInput(message % {"missing": ", ".join(missing), "columns": ", ".join(COLUMNS)})
    if not 1 < len(rows) <= MOST_LINES + 1:
        message = _("A file has between 1 and %(most)s lines below its headings; split or fill this one.")
        raise InvalidInput(message % {"most": f"{MOST_LINES:,}"})
    return _each_hour_once([_line(number, heads, row, now) for number, row in enumerate(rows[1:], 2) if row])


def _line(number: int, heads: Sequence[str], row: Sequence[str], now: datetime) -> Line:
    values = {name: value.strip() for name, value in zip(heads, row, strict=False) if name in COLUMNS}
    form = HourForm(data={name: value for name, value in values.items() if value}, context={"now": now})
    if form.is_valid():
        return Line(number, values, form.validated_data, {})
    return Line(number, values, {}, {name: str(wrong[0]) for name, wrong in form.errors.items()})


def _each_hour_once(lines: Sequence[Line]) -> Sequence[Line]:
    seen: dict[datetime, int] = {}
    found = []
    for line in lines:
        if line.given and seen.setdefault(line.given["hour"], line.number) != line.number:
            before = seen[line.given["hour"]]
            problem = _("This hour is in line %(number)s already.") % {"number": before}
            found.append(Line(line.number, line.values, {}, {"hour": problem}))
        else:
            found.append(line)
    return found
