"""Changing one constraint of an alternative, and which changes are worth trying.

A change is a constraint and the value it is set to, as in ``Remedy``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from marketplace.engine.eligibility import failures
from marketplace.engine.facts import FAR, UNKNOWN, Facts, Ints, Mask
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import Alternative, LatencyLimit, Precision
from marketplace.engine.want import Want

Value = int | str | None
TRIES = 4
"""How many values of one constraint are worth trying, the strictest first."""

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


def proposals(facts: Facts, want: Want) -> Iterator[tuple[Constraint, Value]]:
    """Changes of one standing constraint that would admit an offer that fails nothing else.

    The constraints that are easiest to give up come first, and for each the strictest value.
    """
    failed = failures(facts, want)
    count = np.sum(list(failed.values()), axis=0)
    for constraint in reversed(Constraint):
        if constraint in VALUES and constraint in failed:
            alone: Mask = failed[constraint] & (count == 1)
            if alone.any():
                values = VALUES[constraint](facts, want, np.flatnonzero(alone).astype(np.int64))
                yield from ((constraint, value) for value in list(values)[:TRIES])


Values = Callable[[Facts, Want, Ints], Iterable[Value]]


def _downwards(column: str) -> Values:
    def values(facts: Facts, _: Want, rows: Ints) -> Iterable[Value]:
        return _spread(sorted(set(getattr(facts, column)[rows].tolist()), reverse=True))

    return values


def _carbon(facts: Facts, _: Want, rows: Ints) -> Iterable[Value]:
    return _spread(sorted(set(facts.carbon[rows].tolist())))


def _latencies(facts: Facts, want: Want, rows: Ints) -> Iterable[Value]:
    limit = want.alternative.latency
    return [] if limit is None else _spread(sorted(set(facts.latency(limit.place)[rows].tolist())))


def _spread(values: list[int]) -> Iterable[Value]:
    """The first few values and the last one; ``None`` for a fact that nobody has stated."""
    known = [value for value in values if value not in (UNKNOWN, FAR)]
    chosen: list[Value] = [*known[: TRIES - 2], *known[TRIES - 2 :][-1:]]
    return [*chosen, None] if len(known) < len(values) else chosen


def _commonest(column: str) -> Values:
    def values(facts: Facts, _: Want, rows: Ints) -> Iterable[Value]:
        counts = Counter(getattr(facts, column)[rows].tolist())
        return sorted(counts, key=lambda name: (-counts[name], name))

    return values


def _precisions(facts: Facts, _: Want, rows: Ints) -> Iterable[Value]:
    counts = Counter(each.value for row in rows for each in facts.models[row].precisions)
    return sorted(counts, key=lambda name: (-counts[name], name))


VALUES: dict[Constraint, Values] = {
    Constraint.MODEL: _commonest("model"),
    Constraint.PRECISION: _precisions,
    Constraint.MEMORY: _downwards("memory"),
    Constraint.STACK: _commonest("stack"),
    Constraint.JURISDICTION: _commonest("jurisdiction"),
    Constraint.LATENCY: _latencies,
    Constraint.BANDWIDTH: _downwards("bandwidth"),
    Constraint.RENEWABLE_SHARE: _downwards("renewable_share"),
    Constraint.CARBON: _carbon,
    Constraint.VERIFICATION: _downwards("verification"),
    Constraint.NOTICE: _downwards("notice"),
}
