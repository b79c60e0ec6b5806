"""Rows as canonical JSON lines: sorted keys, no spaces, times in UTC, decimals as strings."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models

Row = dict[str, Any]


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def lines(rows: Iterable[Row]) -> bytes:
    return "".join(f"{canonical(row)}\n" for row in rows).encode()


def row_of(record: models.Model, *, without: Collection[str] = ()) -> Row:
    """Every column of the record but those named; foreign keys are the ids of what they refer to."""
    return {
        field.attname: plain(getattr(record, field.attname))
        for field in record._meta.concrete_fields
        if field.attname not in without
    }


def rows_of(records: Iterable[models.Model], *, without: Collection[str] = ()) -> list[Row]:
    return [row_of(record, without=without) for record in records]


def plain(value: Any) -> Any:
    """What JSON can hold and gives back as it was; a span of time in microseconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    for kind, write in WRITTEN.items():
        if isinstance(value, kind):
            return write(value)
    return value


WRITTEN: dict[type, Callable[[Any], Any]] = {
    date: date.isoformat,
    timedelta: lambda span: span // timedelta(microseconds=1),
    Decimal: lambda amount: f"{amount:f}",
    UUID: str,
}
