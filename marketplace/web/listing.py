"""Lists as pages show them: sorted, paged, and the same rows as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.functional import Promise

from marketplace.web.formats import exact

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")

ROWS_A_PAGE = 50
ROWS_A_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of the CSV: its heading, and its value at full precision."""

    heading: str | Promise
    value: Callable[[Row], object]


@dataclass(frozen=True, slots=True)
class Listing(Generic[M, Row]):
    """How one list is shown. ``keys`` are what ``?sort=`` may name, and the lookups that they stand for."""

    name: str
    template: str
    columns: Sequence[Column[Row]]
    keys: Mapping[str, str]
    default: str


def show(
    request: HttpRequest,
    listing: Listing[M, Row],
    rows: QuerySet[M],
    context: Mapping[str, Any],
    *,
    line: Callable[[M], Row],
) -> HttpResponseBase:
    """The page of the list that the query string asks for, or all of its rows as CSV.

    ``line`` makes of a row of the database what the template and the columns of the CSV read.
    """
    sorted_rows = in_order(rows, request.GET.get("sort", ""), listing.keys, listing.default)
    if request.GET.get("format") == "csv":
        return as_csv(listing.name, listing.columns, map(line, sorted_rows.iterator(ROWS_A_CHUNK)))
    page = page_of(request, sorted_rows)
    page.object_list = [line(row) for row in page.object_list]
    return render(request, listing.template, {**context, "page": page, "csv": csv_link(request)})


def as_it_is(row: Row) -> Row:
    """For lists whose rows need no making up."""
    return row


def in_order(rows: QuerySet[M], wanted: str, keys: Mapping[str, str], default: str) -> QuerySet[M]:
    """The rows in the wanted order, if it is one of ``keys``; equal rows newest first."""
    key = wanted if wanted.removeprefix("-") in keys else default
    by = F(keys[key.removeprefix("-")])
    first = by.desc(nulls_last=True) if key.startswith("-") else by.asc(nulls_last=True)
    return rows.order_by(first, "-pk")


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


def as_csv(name: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> HttpResponseBase:
    """The rows as a file of that name; times in UTC, numbers with every digit."""
    lines = _lines(columns, rows)
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


def _lines(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\N{BYTE ORDER MARK}" + writer.writerow([str(column.heading) for column in columns])
    for row in rows:
        yield writer.writerow([_cell(column.value(row)) for column in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return exact(value)
    return _plain(str(value))


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
