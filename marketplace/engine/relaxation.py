"""Changing one constraint of an alternative, and how far it would have to change for an offer.

A change is a constraint and the value it is set to, as in ``Remedy``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from marketplace.engine.facts import FAR, UNKNOWN, Facts, Ints
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import Alternative, LatencyLimit, Precision

Value = int | str | None

NUMBERS = {
    Constraint.LIMIT: "limit",
    Constraint.CAPACITY: "amount",
    Constraint.WINDOW: "deadline",
    Constraint.NOTICE: "notice",
    Constraint.VERIFICATION: "verification",
    Constraint.CARBON: "carbon",
    Constraint.RENEWABLE_SHARE: "renewable_share",
    Constraint.BANDWIDTH: "bandwidth",
    Constraint.MEMORY: "memory",
}
LISTS = {
    Constraint.JURISDICTION: "jurisdictions",
    Constraint.STACK: "stacks",
    Constraint.MODEL: "models",
}


def change(alternative: Alternative, constraint: Constraint, value: Value) -> Alternative:
    """``alternative`` with one constraint changed as a ``Remedy`` with ``value`` says."""
    return replace(alternative, **_changed(alternative, constraint, value))


def _changed(alternative: Alternative, constraint: Constraint, value: Value) -> dict[str, Any]:
    if constraint in NUMBERS:
        return {NUMBERS[constraint]: value}
    if constraint in LISTS:
        accepted = getattr(alternative, LISTS[constraint])
        return {LISTS[constraint]: tuple(sorted({*accepted, value}))}
    if constraint is Constraint.PRECISION:
        return {"precision": None if value is None else Precision(str(value))}
    if constraint is Constraint.LATENCY:
        return {"latency": _latency(alternative, value)}
    raise ValueError(f"the buyer cannot change {constraint}")


def _latency(alternative: Alternative, value: Value) -> LatencyLimit | None:
    if alternative.latency is None or not isinstance(value, int):
        return None
    return replace(alternative.latency, microseconds=value)


@dataclass(frozen=True, slots=True)
class Relaxable:
    """A standing constraint that a buyer may relax so that it lets in an offer that fails nothing else.

    ``distance`` is by row of ``Facts`` how far the constraint must give way, the least first; names are all
    equally far. ``value`` is the one to which it must change for a row. ``LATENCY`` is for one place.
    """

    distance: Callable[[Facts, str], Ints]
    value: Callable[[Facts, str, int], Value]


def _at_least(column: str) -> Relaxable:
    def distance(facts: Facts, _: str) -> Ints:
        return -np.asarray(getattr(facts, column), dtype=np.int64)

    def value(facts: Facts, _: str, row: int) -> Value:
        return _known(int(getattr(facts, column)[row]))

    return Relaxable(distance, value)


def _named(column: str) -> Relaxable:
    return Relaxable(_nowhere, lambda facts, _, row: str(getattr(facts, column)[row]))


def _nowhere(facts: Facts, _: str) -> Ints:
    return np.zeros(len(facts), dtype=np.int64)


def _precision(facts: Facts, _: str, row: int) -> Value:
    return min((each.value for each in facts.models[row].precisions), default=None)


def _known(fact: int) -> int | None:
    return None if fact in (UNKNOWN, FAR) else fact


RELAXABLE: dict[Constraint, Relaxable] = {
    Constraint.NOTICE: _at_least("notice"),
    Constraint.VERIFICATION: _at_least("verification"),
    Constraint.CARBON: Relaxable(
        lambda f, _: f.worst_carbon, lambda f, _, row: _known(int(f.worst_carbon[row]))
    ),
    Constraint.RENEWABLE_SHARE: _at_least("worst_share"),
    Constraint.BANDWIDTH: _at_least("bandwidth"),
    Constraint.LATENCY: Relaxable(
        lambda f, place: f.latency(place), lambda f, place, row: _known(int(f.latency(place)[row]))
    ),
    Constraint.JURISDICTION: _named("jurisdiction"),
    Constraint.STACK: _named("stack"),
    Constraint.MEMORY: _at_least("memory"),
    Constraint.PRECISION: Relaxable(_nowhere, _precision),
    Constraint.MODEL: _named("model"),
}
"""The one that is easiest to give up first."""
