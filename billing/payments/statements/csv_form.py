"""A statement as CSV, for banks whose files are neither: one header line, then a line for each movement.

``bank_id,booked_on,amount,currency,text,counterparty,end_to_end`` in any order, the last three optional;
UTF-8, dates as 2026-01-31, amounts with a point and a minus for what left the account.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from django.utils.translation import gettext as _

from billing.payments.statements.parsing import ParsedLine, ParsedStatement, StatementWrong, day_of, minor_of

NEEDED = ("bank_id", "booked_on", "amount", "currency")
OPTIONAL = ("text", "counterparty", "end_to_end")
MOST_LINES = 50_000


def read(content: bytes) -> ParsedStatement:
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        names = [name.strip() for name in rows.fieldnames or []]
        _check_header(names)
        rows.fieldnames = names
        found = list(rows)
    except UnicodeDecodeError as error:
        raise StatementWrong(_("The file is not UTF-8. Save it as “CSV UTF-8”.")) from error
    except csv.Error as error:
        raise StatementWrong(_("This is not CSV: %(error)s.") % {"error": error}) from error
    if not found or len(found) > MOST_LINES:
        raise StatementWrong(_("Give a file of one to %(most)s lines.") % {"most": MOST_LINES})
    lines = [_line(row, number) for number, row in enumerate(found, 2)]
    currencies = {row["currency"].strip() for row in found}
    if len(currencies) > 1:
        raise StatementWrong(_("The file is in several currencies. Import one file for each account."))
    statement = ParsedStatement(account="", currency=currencies.pop(), lines=lines)
    statement.check()
    return statement


def _check_header(names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    unknown = [name for name in names if name not in {*NEEDED, *OPTIONAL}]
    if missing or unknown:
        raise StatementWrong(
            _("The first line must name the columns: %(needed)s, and may name %(optional)s.")
            % {"needed": ", ".join(NEEDED), "optional": ", ".join(OPTIONAL)}
        )


def _line(row: Mapping[str | None, str | None], number: int) -> ParsedLine:
    where = _("Line %(number)s") % {"number": number}
    if None in row or any(row.get(name) is None for name in NEEDED):
        raise StatementWrong(
            _("%(where)s: it has more or fewer columns than the first line.") % {"where": where}
        )
    amount = minor_of(_cell(row, "amount"), _cell(row, "currency"), where=where)
    bank_id = _cell(row, "bank_id")
    if not amount or not bank_id:
        raise StatementWrong(_("%(where)s: the amount or the bank_id is missing.") % {"where": where})
    return ParsedLine(
        bank_id=bank_id[:80],
        amount=amount,
        booked_on=day_of(_cell(row, "booked_on"), where=where),
        text=_cell(row, "text")[:500],
        end_to_end=_cell(row, "end_to_end")[:35],
        counterparty=_cell(row, "counterparty")[:140],
    )


def _cell(row: Mapping[str | None, str | None], name: str) -> str:
    return (row.get(name) or "").strip()
