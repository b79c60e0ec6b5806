"""Which offers an alternative may use, and how many each constraint removes.

Constraints are asked in the order of ``Constraint``; each is charged with the offers that it
removes from those that survived the ones before it. All of it looks at the market as it is before
the run, so it depends on nothing but the snapshot. A fact that is unknown satisfies no constraint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.engine import windows
from marketplace.engine.facts import Facts, Ints, Mask
from marketplace.engine.result import Constraint, Funnel
from marketplace.engine.snapshot import Alternative, LatencyLimit, Unit
from marketplace.engine.want import Want

Bytes = NDArray[np.uint8]
Removed = tuple[tuple[Constraint, int], ...]

Value = Any
"""What a want asks of a constraint: hashable; ``None`` where it asks nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A constraint that looks at what an offer is, whoever asks and whenever."""

    constraint: Constraint
    asked: Callable[[Alternative], Value]
    test: Callable[[Facts, Value], Mask]


def _rate(alternative: Alternative) -> Value:
    return (alternative.workload, alternative.careful) if alternative.unit is Unit.NP else None


def _near(facts: Facts, limit: LatencyLimit) -> Mask:
    near: Mask = facts.latency(limit.place) <= limit.microseconds
    return near


STANDING: tuple[Standing, ...] = (
    Standing(Constraint.MODEL, lambda a: a.models or None, lambda f, v: np.isin(f.model, v)),
    Standing(Constraint.RATE, _rate, lambda f, v: f.rates(v[0], careful=v[1]) > 0),
    Standing(Constraint.PRECISION, lambda a: a.precision, lambda f, v: f.supports(v)),
    Standing(Constraint.MEMORY, lambda a: a.memory, lambda f, v: f.memory >= v),
    Standing(Constraint.STACK, lambda a: a.stacks or None, lambda f, v: np.isin(f.stack, v)),
    Standing(
        Constraint.JURISDICTION, lambda a: a.jurisdictions or None, lambda f, v: np.isin(f.jurisdiction, v)
    ),
    Standing(Constraint.LATENCY, lambda a: a.latency, _near),
    Standing(Constraint.BANDWIDTH, lambda a: a.bandwidth, lambda f, v: f.bandwidth >= v),
    Standing(Constraint.RENEWABLE_SHARE, lambda a: a.renewable_share, lambda f, v: f.renewable_share >= v),
    Standing(Constraint.CARBON, lambda a: a.carbon, lambda f, v: f.carbon <= v),
    Standing(Constraint.VERIFICATION, lambda a: a.verification, lambda f, v: f.verification >= v),
    Standing(Constraint.NOTICE, lambda a: a.notice, lambda f, v: f.notice >= v),
)


def _window(facts: Facts, want: Want) -> Mask:
    """Which offers are there long enough between earliest start and deadline, and may be had so shortly."""
    alternative = want.alternative
    start = np.maximum(facts.first, alternative.earliest)
    end = np.minimum(facts.end, alternative.deadline)
    if alternative.divisible:
        return np.asarray(end - start >= facts.minimum)
    return np.asarray((end - start >= alternative.duration) & (facts.minimum <= alternative.duration))


@dataclass(frozen=True, slots=True)
class Eligible:
    """Rows of ``Facts`` that an alternative may use.

    ``fitting`` pass every constraint but the limit; ``rows`` are within the limit at their ask too.
    """

    funnel: Funnel
    fitting: Ints
    rows: Ints


class Eligibility:
    """Asks every constraint once per value and every profile once, and remembers the answers.

    A profile is all that the standing constraints and the minimum durations of offers depend on.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._answers: dict[tuple[Constraint, Value], Mask] = {}
        self._numbers: dict[tuple[Value, ...], int] = {}
        self._removed: list[tuple[int, Removed]] = []
        self._longest = int(facts.minimum.max(initial=1))
        self._bits: list[Bytes] = []

    def of(self, want: Want) -> Eligible:
        """The offers that ``want`` may use in the market as it is before the run."""
        number = self.profile(want)
        rows = self.rows(number)
        timely = rows[_window(self.facts, want)[rows]]
        fitting, affordable = self._fitting(want, timely)
        standing, removed = self._removed[number]
        counts = (
            *removed,
            (Constraint.WINDOW, standing - timely.size),
            (Constraint.CAPACITY, timely.size - fitting.size),
            (Constraint.LIMIT, fitting.size - affordable.size),
        )
        kept = tuple((constraint, count) for constraint, count in counts if count)
        funnel = Funnel(want.alternative.position, len(self.facts), kept)
        return Eligible(funnel, fitting, affordable)

    def rows(self, profile: int) -> Ints:
        """The offers that serve wants of a profile: standing constraints and minimum duration."""
        passed = np.unpackbits(self._bits[profile], count=len(self.facts))
        return np.flatnonzero(passed).astype(np.int64)

    def profile(self, want: Want) -> int:
        """The number of the want's profile, counted as they are asked for."""
        alternative = want.alternative
        shortest = None if alternative.divisible else min(alternative.duration, self._longest)
        key = (*(standing.asked(alternative) for standing in STANDING), shortest)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._bits)
            self._ask(key)
        return number

    def bits(self) -> Bytes:
        """For each profile so far one bit an offer: whether it passes."""
        width = -(-len(self.facts) // 8)
        return np.array(self._bits, dtype=np.uint8).reshape(len(self._bits), width)

    def _ask(self, key: tuple[Value, ...]) -> None:
        left = np.ones(len(self.facts), dtype=np.bool_)
        before, removed = left.size, []
        *asked, shortest = key
        for standing, value in zip(STANDING, asked, strict=True):
            if value is None:
                continue
            left = left & self._answer(standing, value)
            after = int(np.count_nonzero(left))
            removed.append((standing.constraint, before - after))
            before = after
        if shortest is not None:
            left = left & (self.facts.minimum <= shortest)
        self._bits.append(np.packbits(left))
        self._removed.append((before, tuple(removed)))

    def _answer(self, standing: Standing, value: Value) -> Mask:
        known = (standing.constraint, value)
        if known not in self._answers:
            self._answers[known] = standing.test(self.facts, value)
        return self._answers[known]

    def _fitting(self, want: Want, rows: Ints) -> tuple[Ints, Ints]:
        """Rows with enough cards in some run, and of those the ones within the limit."""
        alternative = want.alternative
        if not rows.size:
            return rows, rows
        span = slice(alternative.earliest, alternative.deadline)
        cards = windows.needs(self.facts, want, rows, want.smallest_use)
        free = self.facts.free[rows, span] >= cards[:, None]
        if alternative.divisible:
            lasting = rows[windows.longest(free) >= self.facts.minimum[rows]]
            return lasting, lasting
        enough = windows.unbroken(free, alternative.duration)
        cost = windows.totals(self.facts.asks[rows, span], alternative.duration)
        within = cost <= windows.generous_budgets(self.facts, want, rows)[:, None]
        return rows[enough.any(axis=1)], rows[(enough & within).any(axis=1)]


def failures(facts: Facts, want: Want) -> dict[Constraint, Mask]:
    """For every constraint asked for, standing ones and the window, which offers fail it."""
    failed = {
        standing.constraint: ~standing.test(facts, value)
        for standing in STANDING
        if (value := standing.asked(want.alternative)) is not None
    }
    return {**failed, Constraint.WINDOW: ~_window(facts, want)}
