"""The rules that a result is held to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """What can be broken."""

    FORMAT = "format"
    SNAPSHOT = "snapshot"
    ORDER = "order"
    REFERENCE = "reference"
    ALTERNATIVE = "alternative"
    RUN = "run"
    WINDOW = "window"
    REQUIREMENT = "requirement"
    GANG = "gang"
    LOT = "lot"
    CAPACITY = "capacity"
    MINIMUM_DURATION = "minimum_duration"
    FILL = "fill"
    PRICE = "price"
    LIMIT = "limit"
    ASK = "ask"
    BALANCE = "balance"
    SURPLUS = "surplus"
    EXPLANATION = "explanation"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class Broken:
    """One breach: which rule, by what, with the figures."""

    rule: Rule
    message: str
