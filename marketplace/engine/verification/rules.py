"""The rules that a result is held to."""

from __future__ import annotations

from collections.abc import Iterable
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
    CHOICE = "choice"
    OWNER_CAP = "owner_cap"
    POWER = "power"
    PRICE = "price"
    LIMIT = "limit"
    BUDGET = "budget"
    ASK = "ask"
    BALANCE = "balance"
    SURPLUS = "surplus"
    OBJECTIVE = "objective"
    BOUND = "bound"
    EXPLANATION = "explanation"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class Broken:
    """One breach: which rule, by what, with the figures."""

    rule: Rule
    message: str


class Violation(Exception):
    """A promise of the market is broken."""


class ResultRefused(Violation):
    """A result must not be committed; ``broken`` lists every rule that it breaks, and where."""

    def __init__(self, broken: Iterable[Broken]) -> None:
        self.broken = tuple(broken)
        super().__init__("; ".join(f"{each.rule}: {each.message}" for each in self.broken))

    @property
    def rules(self) -> frozenset[Rule]:
        return frozenset(each.rule for each in self.broken)
