"""Rows by the hundred thousand, as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

Column = npt.NDArray[Any]
# What COPY writes before the first row and after the last one, in its binary format.
HEADER, TRAILER = 19, 2


def read_columns(query: str, parameters: Mapping[str, Any], **kinds: str) -> dict[str, Column]:
    """The answer to a query of which every column has a fixed width and no NULL.

    ``kinds`` names the columns and gives their types as numpy writes them: ``i8`` for bigint, and for
    timestamptz as microseconds since 2000; ``?`` for boolean; ``S3`` for a text of three bytes.
    """
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in kinds.items():
        layout += [(f"{name} width", ">i4"), (name, np.dtype(kind).newbyteorder(">"))]
    row = np.dtype(layout)
    received = bytearray()
    bound = connection.ops.compose_sql(query, parameters)  # type: ignore[attr-defined]  # PostgreSQL's
    with connection.cursor() as cursor, cursor.copy(f"COPY ({bound}) TO STDOUT (FORMAT binary)") as copy:
        for block in copy:
            received += block
    count, rest = divmod(len(received) - HEADER - TRAILER, row.itemsize)
    if rest:
        raise ValueError(f"the rows are not all {row.itemsize} bytes long")
    rows = np.frombuffer(received, dtype=row, offset=HEADER, count=count)
    for name, kind in kinds.items():
        if np.any(rows[f"{name} width"] != np.dtype(kind).itemsize):
            raise ValueError(f"{name} is not always {kind}")
    return {name: rows[name].astype(kind) for name, kind in kinds.items()}
