"""Measurements, kept one a line of JSON beside the page that is made of them.

A new measurement of the same thing takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"

Kept = TypeVar("Kept")


def read(file: Path, kind: type[Kept]) -> list[Kept]:
    if not file.exists():
        return []
    return [msgspec.json.decode(line, type=kind) for line in file.read_bytes().splitlines()]


def write(file: Path, rows: Iterable[object], page: str) -> None:
    """The rows, and the page of the same name with ``.md``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    file.with_suffix(".md").write_text(page, encoding="utf-8")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: set[int]) -> str:
    """A Markdown table that is aligned, so that it reads well on a terminal too.

    ``words`` are the columns to be aligned to the left; figures go to the right.
    """
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rules = [
        "-" * (width + 2) if column in words else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    ]
    lines = [_line(row, widths, words) for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int], words: set[int]) -> str:
    cells = (
        cell.ljust(width) if column in words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join(cells)} |"
