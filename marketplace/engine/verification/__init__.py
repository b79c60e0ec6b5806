"""Does a result keep every promise? Written with none of the code that made the result.

Nothing here is shared with the engine but the types and the digest. The arithmetic is plain and
goes slot by slot: it is meant to be read and believed, not to be fast.
"""

from __future__ import annotations

from collections.abc import Iterable

from marketplace.engine.result import Result
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.verification.delivery import delivery_rules
from marketplace.engine.verification.market import Market
from marketplace.engine.verification.money import money_rules
from marketplace.engine.verification.record import known_placements, record_rules
from marketplace.engine.verification.rules import Broken, Rule

__all__ = ["Broken", "ResultRefused", "Rule", "Violation", "verify"]


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


def verify(snapshot: Snapshot, result: Result) -> None:
    """Raise ``ResultRefused`` with every rule that ``result`` breaks; return nothing if none.

    Placements that name something unknown are reported once and left out of the other rules.
    """
    market = Market(snapshot)
    known, unknown = known_placements(market, result)
    broken = [
        *unknown,
        *record_rules(market, result, known),
        *delivery_rules(market, known),
        *money_rules(market, result, known),
    ]
    if broken:
        raise ResultRefused(broken)
