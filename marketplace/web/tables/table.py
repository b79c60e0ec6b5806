"""A list as a page shows it: sorted, paged and added up, with the columns that its reader chose, and as CSV.

What it costs does not grow with the number of rows that are not shown. A page is made of two queries, the
ids of its rows and the rows; the sums come with the count. Where nothing is added up rows are counted no
further than ``MOST_COUNTED``, and pages end there: the filter, the other direction of the sort and the CSV
reach the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Field, Model, OrderBy, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from marketplace.web.listing import ROWS_A_CHUNK, ROWS_A_PAGE, as_csv, csv_link
from marketplace.web.models import ColumnChoice
from marketplace.web.tables.columns import Column, fields_of

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")

MOST_COUNTED = 10_000
# Sums are named after their columns; the prefix keeps them apart from the fields of the rows.
SUM = "sum_of_"

REGISTERED: dict[str, Table[Any, Any]] = {}


@dataclass(frozen=True, slots=True)
class Table(Generic[M, Row]):
    """``name`` is that of the file, and under it a reader's columns are kept.

    ``first`` is the sort without ``?sort=``. ``whole`` adds to the rows of a page what their columns read.
    Sums are by ``sums_by``, a field, or of all.
    """

    name: str
    title: str | Promise
    columns: Sequence[Column[Row]]
    first: str
    whole: Callable[[QuerySet[M]], QuerySet[M]] = lambda rows: rows
    sums_by: str = ""

    @property
    def adds_up(self) -> bool:
        return any(column.total for column in self.columns)


def registered(table: Table[M, Row]) -> Table[M, Row]:
    """The table, known by its name to the page that keeps the choice of columns."""
    if table.name in REGISTERED:
        raise ValueError(f"two tables are called {table.name}")
    REGISTERED[table.name] = table
    return table


if TYPE_CHECKING:
    IdPaginator = Paginator[int]
else:
    IdPaginator = Paginator


class CountedPaginator(IdPaginator):
    """Pages of ids, in order. Counts no further than it must; ``ends_early`` where pages do not show all."""

    def __init__(self, rows: QuerySet[Any], counted: int | None) -> None:
        """``counted`` is how many rows there are, where that is known."""
        super().__init__(rows.values_list("pk", flat=True), ROWS_A_PAGE)
        self.rows, self.counted = rows, counted

    @cached_property
    def found(self) -> int:
        """How many rows there are, where that is known or they are few enough to be counted."""
        if self.counted is not None:
            return self.counted
        return self.rows.order_by().values("pk")[: MOST_COUNTED + 1].count()

    @property
    def count(self) -> int:
        return min(self.found, MOST_COUNTED)

    @property
    def ends_early(self) -> bool:
        return self.found > MOST_COUNTED


@dataclass(frozen=True, slots=True)
class Foot:
    """A row of sums: how many rows it adds up, by what, and what stands under each column."""

    group: str
    count: int
    sums: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """A table on a page. ``lines`` are its rows as HTML."""

    name: str
    title: str | Promise
    columns: Sequence[Column[Any]]
    all_columns: Sequence[Column[Any]]
    sorted_by: str
    lines: Sequence[SafeString]
    page: Page[int]
    feet: Sequence[Foot]
    lead: int
    csv: str


def show(
    request: HttpRequest,
    table: Table[M, Row],
    rows: QuerySet[M],
    template: str,
    context: Mapping[str, Any],
    *,
    line: Callable[[M], Row],
    aside: Collection[str] = (),
) -> HttpResponseBase:
    """The page of the table that the query string asks for, or all of its rows as CSV.

    ``line`` makes of a row of the database what the columns read. Columns that are ``aside`` are of no
    interest to this reader unless it chose them.
    """
    columns = columns_for(request, table, aside)
    sort = sort_of(request, table)
    ordered = in_order(rows, sort, table)
    if request.GET.get("format") == "csv":
        every_row = table.whole(ordered).iterator(ROWS_A_CHUNK)
        return as_csv(f"cardhour-{table.name}", fields_of(columns), map(line, every_row))
    sums = sums_of(table, rows) if table.adds_up else None
    paginator = CountedPaginator(ordered, None if sums is None else sum(each["count"] for each in sums))
    page = paginator.get_page(request.GET.get("page"))
    found = _rows_of(page, table.whole(rows))
    shown = Shown(
        name=table.name,
        title=table.title,
        columns=columns,
        all_columns=table.columns,
        sorted_by=sort,
        lines=[_html_of(columns, line(row)) for row in found],
        page=page,
        feet=_feet(table, columns, sums or ()),
        lead=_lead(columns),
        csv=csv_link(request),
    )
    return render(request, template, {**context, "table": shown})


def as_it_is(row: Row) -> Row:
    """For tables whose rows need no making up."""
    return row


def columns_for(
    request: HttpRequest, table: Table[M, Row], aside: Collection[str] = ()
) -> Sequence[Column[Row]]:
    """Those that the reader chose, or those shown at first. A key that is no column's any more is nothing."""
    chosen = None
    if request.user.is_authenticated:
        choices = ColumnChoice.objects.filter(user=request.user.pk, table=table.name)
        chosen = choices.values_list("columns", flat=True).first()
    if chosen is None:
        return [each for each in table.columns if not each.aside and each.key not in aside]
    return [each for each in table.columns if each.key in chosen or each.names_the_row]


def sort_of(request: HttpRequest, table: Table[M, Row]) -> str:
    """The sort that the query string names, if the table knows it."""
    wanted = request.GET.get("sort", "")
    keys = {column.key for column in table.columns if column.sort}
    return wanted if wanted.removeprefix("-") in keys else table.first


def in_order(rows: QuerySet[M], sort: str, table: Table[M, Row]) -> QuerySet[M]:
    """Rows without a value come last, equal ones in the order in which they were made, or against it."""
    key, falls = sort.removeprefix("-"), sort.startswith("-")
    by = next(column.sort for column in table.columns if column.key == key)
    # An index serves the order of a field that is always there only where nothing is said of nulls.
    last = None if isinstance(by, str) and _is_always_there(rows.model, by) else True
    expression = F(by) if isinstance(by, str) else by
    return rows.order_by(
        OrderBy(expression, descending=falls, nulls_last=last), OrderBy(F("pk"), descending=falls)
    )


def sums_of(table: Table[M, Row], rows: QuerySet[M]) -> Sequence[Mapping[str, Any]]:
    """For each group ``count`` and the sums of the columns; one query."""
    sums = {f"{SUM}{column.key}": column.total.sum for column in table.columns if column.total}
    if table.sums_by:
        groups = rows.order_by(table.sums_by).values(table.sums_by)
        return list(groups.annotate(count=Count("pk"), **sums))
    return [rows.order_by().aggregate(count=Count("pk"), **sums)]


def _is_always_there(model: type[Model], path: str) -> bool:
    *relations, last = ["id" if name == "pk" else name for name in path.split(LOOKUP_SEP)]
    for name in relations:
        relation = model._meta.get_field(name)
        if not isinstance(relation, Field) or relation.null or relation.related_model is None:
            return False
        model = relation.related_model
    field = model._meta.get_field(last)
    return isinstance(field, Field) and not field.null


def _rows_of(page: Page[int], rows: QuerySet[M]) -> Sequence[M]:
    """The rows of a page in its order: first the ids, so that no row is read to be passed over."""
    ids = list(page.object_list)
    found = rows.order_by().in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def _html_of(columns: Sequence[Column[Row]], row: Row) -> SafeString:
    return format_html_join("", "{}{}{}", ((each.opening, each.cell(row), each.closing) for each in columns))


def _feet(
    table: Table[M, Row], columns: Sequence[Column[Row]], sums: Sequence[Mapping[str, Any]]
) -> Sequence[Foot]:
    """None where no column that is shown adds up, or there is nothing to add up."""
    if not any(column.total for column in columns):
        return []
    return [
        _foot(each, str(each.get(table.sums_by, "")), columns[_lead(columns) :])
        for each in sums
        if each["count"]
    ]


def _foot(sums: Mapping[str, Any], group: str, columns: Sequence[Column[Row]]) -> Foot:
    written = [
        column.total.written(sums[SUM + column.key], group) if column.total else None for column in columns
    ]
    return Foot(group, sums["count"], written)


def _lead(columns: Sequence[Column[Row]]) -> int:
    """How many columns stand before the first that adds up: the words of the sums take their place."""
    adding = (number for number, column in enumerate(columns) if column.total)
    return max(next(adding, len(columns)), 1)
