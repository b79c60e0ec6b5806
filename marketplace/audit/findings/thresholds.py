"""The thresholds of detectors: data in ``thresholds.toml``, each set with a version of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("thresholds.toml")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of one detector. A changed value needs a higher version: findings name the one they were made by."""

    version: int
    values: Mapping[str, Decimal]

    def __getitem__(self, name: str) -> Decimal:
        return self.values[name]


@cache
def thresholds_of(detector: str) -> Thresholds:
    """``KeyError`` where the file has none: a detector without thresholds does not run."""
    told = _read()[detector]
    values = {name: Decimal(value) for name, value in told.items() if name != "version"}
    return Thresholds(version=int(told["version"]), values=values)


@cache
def _read() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
