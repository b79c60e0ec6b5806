"""The columns of a file of offers, and reading one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.errors import InvalidInput

MOST_LINES = 5_000
MOST_BYTES = 2 * 1024 * 1024
LONGEST_VALUE = 120
COLUMNS: Mapping[str, str | Promise] = {
    "site": gettext_lazy("Site"),
    "model": gettext_lazy("Model"),
    "cards": gettext_lazy("Cards"),
    "from": gettext_lazy("From"),
    "until": gettext_lazy("Until"),
    "ask": gettext_lazy("Ask"),
    "lot": gettext_lazy("Lot"),
    "minimum_hours": gettext_lazy("Shortest sale, hours"),
    "notice_minutes": gettext_lazy("Notice, minutes"),
}
NEEDED = ("site", "model", "cards", "from", "until", "ask")
Values = dict[str, str]


def text_of(content: bytes) -> str:
    """The text of a file, in UTF-8 or as spreadsheets in China write it; ``InvalidInput`` otherwise."""
    if len(content) > MOST_BYTES:
        raise InvalidInput(_("The file is larger than 2 MB. Split it, or draw the offers on the calendar."))
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput(_("The file is no text in UTF-8 or GB 18030. Save it as CSV."))


def lines_of(text: str) -> Sequence[tuple[int, Values]]:
    """The lines with their numbers in the file, by column; ``InvalidInput`` where it has no such columns."""
    if "\0" in text:
        raise InvalidInput(_("The file is no text. Save it as CSV."))
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    try:
        heads = [head.strip().lower() for head in next(rows, [])]
        _check(heads)
        lines = list(_lines(rows, heads))
    except csv.Error as error:
        raise InvalidInput(_("The file is no CSV: %(error)s.") % {"error": error}) from error
    if not lines:
        raise InvalidInput(_("The file has no lines below its headings."))
    if len(lines) > MOST_LINES:
        message = _("The file has %(lines)s lines; %(most)s can be imported at once. Split it.")
        raise InvalidInput(message % {"lines": f"{len(lines):,}", "most": f"{MOST_LINES:,}"})
    return lines


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _check(heads: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in heads]
    if missing:
        message = _("The first line names no column %(missing)s. The columns are: %(columns)s.")
        raise InvalidInput(message % {"missing": ", ".join(missing), "columns": ", ".join(COLUMNS)})


def _lines(rows: Iterator[list[str]], heads: Sequence[str]) -> Iterator[tuple[int, Values]]:
    for number, row in enumerate(rows, 2):
        if not any(value.strip() for value in row):
            continue
        by_head = dict(zip(heads, row, strict=False))
        yield number, {name: by_head.get(name, "").strip()[:LONGEST_VALUE] for name in COLUMNS}
