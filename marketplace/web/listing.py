"""Pages of rows, and rows as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.functional import Promise

from marketplace.web.formats import exact, utc

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")

ROWS_A_PAGE = 50
ROWS_A_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """A column of the CSV: its heading, and its value at full precision."""

    heading: str | Promise
    value: Callable[[Row], object]


def page_of(
    request: HttpRequest, rows: QuerySet[M] | Sequence[Any], size: int = ROWS_A_PAGE, *, first: int = 1
) -> Page[Any]:
    """The page that ``?page=`` names, or the nearest there is; without it the page ``first``."""
    return Paginator(rows, size).get_page(request.GET.get("page", first))


def csv_link(request: HttpRequest) -> str:
    """The address of the rows that this page shows, all of them, as CSV."""
    query = request.GET.copy()
    query.pop("page", None)
    query["format"] = "csv"
    return f"?{query.urlencode()}"


def as_csv(name: str, fields: Sequence[Field[Row]], rows: Iterable[Row]) -> HttpResponseBase:
    """The rows as a file of that name; times in UTC, numbers with every digit."""
    lines = _lines(fields, rows)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def refused(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """A form that comes back with what is wrong with it."""
    return render(request, template, dict(context), status=422)


class _Echo:
    """Where the CSV writer writes; it hands each line on."""

    def write(self, line: str) -> str:
        return line


def _lines(fields: Sequence[Field[Row]], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\N{BYTE ORDER MARK}" + writer.writerow([str(field.heading) for field in fields])
    for row in rows:
        yield writer.writerow([_cell(field.value(row)) for field in fields])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return exact(value)
    return _plain(str(value))


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
