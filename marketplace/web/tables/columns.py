"""Columns of tables: how a cell looks, what the CSV says for it, what it is sorted by and adds up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db.models.expressions import Combinable, Expression
from django.utils.functional import Promise
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from marketplace.web import formats
from marketplace.web.listing import Field
from marketplace.web.tables import cells

Row = TypeVar("Row")
Words = str | Promise
Sort = str | Expression
Quantity = Decimal | int | None


@dataclass(frozen=True, slots=True)
class Total:
    """What a column adds up to, and how the sum is written; ``group`` is what the sums are grouped by."""

    sum: Combinable
    written: Callable[[Any, str], str]


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column. ``fields`` are its columns in the CSV, at full precision.

    ``sort`` is the lookup or expression that ``?sort=<key>`` stands for; without it nobody sorts by the
    column. ``names_the_row`` makes its cells the headings of their rows, which cannot be left out. What is
    ``aside`` is shown to those who choose it.
    """

    key: str
    heading: Words
    cell: Callable[[Row], SafeString]
    fields: Sequence[Field[Row]]
    sort: Sort = ""
    total: Total | None = None
    is_number: bool = False
    unit: Words = ""
    width: str = ""
    names_the_row: bool = False
    aside: bool = False

    @property
    def opening(self) -> SafeString:
        """The tag before each of its cells."""
        css = "num" if self.is_number else self.width
        tag = 'th scope="row"' if self.names_the_row else "td"
        return mark_safe(f'<{tag} class="{css}">' if css else f"<{tag}>")  # noqa: S308 nothing of a row

    @property
    def closing(self) -> SafeString:
        return mark_safe("</th>" if self.names_the_row else "</td>")  # noqa: S308 nothing of a row


def name(
    key: str,
    heading: Words,
    shown: Callable[[Row], object],
    *,
    link: Callable[[Row], str],
    value: Callable[[Row], object] | None = None,
    sort: Sort = "",
    width: str = "nowrap",
) -> Column[Row]:
    """What the row is called, and where it opens; the CSV says ``value`` where that is another."""
    return Column(
        key,
        heading,
        lambda row: cells.link(link(row), shown(row)),
        (Field(heading, value or shown),),
        sort,
        width=width,
        names_the_row=True,
    )


def text(
    key: str,
    heading: Words,
    shown: Callable[[Row], object],
    *,
    cell: Callable[[Row], SafeString] | None = None,
    sort: Sort = "",
    width: str = "",
    is_number: bool = False,
) -> Column[Row]:
    """Words. ``cell`` is for those that are more than words."""
    written = cell or (lambda row: escape(_known(shown(row))))
    fields = (Field(heading, shown),)
    return Column(key, heading, written, fields, sort, width=width, is_number=is_number)


def number(
    key: str,
    heading: Words,
    value: Callable[[Row], Quantity],
    *,
    written: Callable[[Any], str] = formats.number,
    unit: Words = "",
    sort: Sort = "",
    total: Total | None = None,
    field: Words = "",
) -> Column[Row]:
    """``unit`` stands beside the heading; ``field`` is the heading in the CSV where it is another."""

    def cell(row: Row) -> SafeString:
        quantity = value(row)
        return escape(cells.NOT_KNOWN if quantity is None else written(quantity))

    fields = (Field(field or heading, value),)
    return Column(key, heading, cell, fields, sort, total, is_number=True, unit=unit)


def share(key: str, heading: Words, value: Callable[[Row], Quantity], *, sort: Sort = "") -> Column[Row]:
    """A part of one, written in percent."""
    return number(key, heading, value, written=formats.percent, sort=sort)


def money(
    key: str,
    heading: Words,
    amount: Callable[[Row], Quantity],
    currency: Callable[[Row], str],
    *,
    written: Callable[[Any, str], str] = formats.money,
    sort: Sort = "",
    total: Total | None = None,
    field: Words = "",
) -> Column[Row]:
    """The CSV has the amount and its currency, each in a column of its own."""

    def cell(row: Row) -> SafeString:
        sum_of_money = amount(row)
        return escape(cells.NOT_KNOWN if sum_of_money is None else written(sum_of_money, currency(row)))

    fields = (Field(field or heading, amount), Field(_("Currency"), currency))
    return Column(key, heading, cell, fields, sort, total, is_number=True)


def price(
    key: str,
    heading: Words,
    amount: Callable[[Row], Quantity],
    currency: Callable[[Row], str],
    *,
    sort: Sort = "",
    field: Words = "",
) -> Column[Row]:
    """Money for a card-hour."""
    return money(key, heading, amount, currency, written=formats.price, sort=sort, field=field)


def moment(
    key: str,
    heading: Words,
    at: Callable[[Row], datetime | None],
    *,
    sort: Sort = "",
) -> Column[Row]:
    return Column(key, heading, lambda row: cells.moment(at(row)), (Field(heading, at),), sort)


def window(
    key: str,
    heading: Words,
    start: Callable[[Row], datetime],
    end: Callable[[Row], datetime],
    *,
    sort: Sort = "",
    fields: tuple[Words, Words] = (_("From"), _("Until")),
) -> Column[Row]:
    """From when until when: two columns of the CSV."""
    return Column(
        key,
        heading,
        lambda row: cells.window(start(row), end(row)),
        (Field(fields[0], start), Field(fields[1], end)),
        sort,
    )


def state(
    key: str,
    heading: Words,
    code: Callable[[Row], str],
    *,
    label: Callable[[Row], object] | None = None,
    sort: Sort = "",
) -> Column[Row]:
    """A badge; the CSV has the code."""
    return Column(
        key,
        heading,
        lambda row: cells.badge(code(row), label(row) if label else ""),
        (Field(heading, code),),
        sort,
    )


def aside(column: Column[Row]) -> Column[Row]:
    """The column, for those who choose it."""
    return replace(column, aside=True)


def of_numbers(sum_of: Combinable) -> Total:
    return Total(sum_of, lambda quantity, _group: formats.number(quantity))


def of_money(sum_of: Combinable) -> Total:
    """For tables whose sums are grouped by currency."""
    return Total(sum_of, formats.money)


def fields_of(columns: Sequence[Column[Row]]) -> Sequence[Field[Row]]:
    """The columns of the CSV. The currency of several sums of money is there once."""
    found: dict[str, Field[Row]] = {}
    for field in (field for column in columns for field in column.fields):
        found.setdefault(str(field.heading), field)
    return list(found.values())


def _known(shown: object) -> object:
    return cells.NOT_KNOWN if shown is None or shown == "" else shown
