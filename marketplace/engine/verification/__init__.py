"""Does a result keep every promise? Written with none of the code that made the result.

Nothing here is shared with the engine but the types, their validation and the digest. It is meant to be
read and believed: Python's integers and plain loops where rows are few, numpy where every offer and slot
is looked at. ``docs/engine.md`` says what the rules mean.
"""

from __future__ import annotations

from marketplace.engine.result import Result
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.validation import check
from marketplace.engine.verification.bound import bound_rules, proven_bound
from marketplace.engine.verification.delivery import delivery_rules
from marketplace.engine.verification.explanations import explanation_rules
from marketplace.engine.verification.groups import group_rules
from marketplace.engine.verification.market import Market
from marketplace.engine.verification.money import money_rules
from marketplace.engine.verification.record import known_placements, record_rules
from marketplace.engine.verification.rules import Broken, ResultRefused, Rule, Violation

__all__ = ["Broken", "ResultRefused", "Rule", "Violation", "proven_bound", "verify"]


def verify(snapshot: Snapshot, result: Result) -> None:
    """Raise ``ResultRefused`` with every rule that ``result`` breaks; return nothing if none.

    Placements that name something unknown are reported once and left out of the other rules. Raises
    ``MalformedSnapshot`` if there is no market that the result could be of.
    """
    check(snapshot)
    market = Market(snapshot)
    known, unknown = known_placements(market, result)
    broken = [
        *unknown,
        *record_rules(market, result, known),
        *explanation_rules(market, result, known),
        *delivery_rules(market, known),
        *group_rules(market, known),
        *money_rules(market, result, known),
        *bound_rules(market, result),
    ]
    if broken:
        raise ResultRefused(broken)
