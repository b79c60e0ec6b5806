"""What a table of the configuration says, or a clear word about what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketplace.agent.errors import SiteProblem

Table = Mapping[str, Any]


def text_of(table: Table, name: str, *, under: str = "") -> str:
    """``under`` is the table's heading, where it helps to find it."""
    value = table.get(name)
    if not isinstance(value, str) or not value:
        where = f" under [{under}]" if under else ""
        raise SiteProblem(f"“{name}” is missing{where}, or is no text.")
    return value


def table_of(table: Table, name: str) -> Table:
    """Empty where it is not there."""
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise SiteProblem(f"“{name}” is no table.")
    return value
