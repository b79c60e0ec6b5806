"""Numbers without gaps, one series for each issuer, kind of document and year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection

from billing.invoicing.models import Document, Issuer

PREFIXES: Mapping[str, str] = {
    Document.Kind.INVOICE: "INV",
    Document.Kind.STATEMENT: "STM",
    Document.Kind.CREDIT_NOTE: "CN",
}


def year_of(issuer: Issuer, now: datetime) -> int:
    """The year on the issuer's calendar."""
    return now.astimezone(ZoneInfo(issuer.time_zone)).year


def number_of(issuer: Issuer, kind: str, year: int, sequence: int) -> str:
    """For example ``INV-2026-000001``, after the issuer's code if it has one."""
    return "-".join(filter(None, [issuer.code, PREFIXES[kind], str(year), f"{sequence:06}"]))


def take_numbers(issuer: str, kind: str, *, year: int, count: int) -> int:
    """The first of ``count`` consecutive numbers of the issuer with this code.

    The row of the series stays locked until the transaction ends. Whoever comes next waits, and takes
    the same numbers when this transaction is rolled back: no number is skipped and none is given twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO invoicing_numberseries AS series (issuer, kind, year, last)
            VALUES (%(issuer)s, %(kind)s, %(year)s, %(count)s)
            ON CONFLICT (issuer, kind, year) DO UPDATE SET last = series.last + %(count)s
            RETURNING last
            """,
            {"issuer": issuer, "kind": kind, "year": year, "count": count},
        )
        last: int = cursor.fetchone()[0]
    return last - count + 1


def take_for(issuer: Issuer, kinds: Sequence[str], *, year: int) -> list[int]:
    """A number for each of the kinds, in their order."""
    following = {
        kind: take_numbers(issuer.code, kind, year=year, count=kinds.count(kind))
        for kind in sorted(set(kinds))
    }
    numbers = []
    for kind in kinds:
        numbers.append(following[kind])
        following[kind] += 1
    return numbers
