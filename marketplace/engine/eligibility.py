"""Which offers serve wants of one kind, and how many each standing constraint removes.

Constraints are asked in the order of ``Constraint``; each is charged with the offers that it
removes from those that survived the ones before it. All of it looks at the market as it is before
the run, so it depends on nothing but the snapshot. A fact that is unknown satisfies no constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.engine.facts import Facts, Ints, Mask
from marketplace.engine.result import Constraint
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


HOURLY = frozenset({Constraint.CARBON, Constraint.RENEWABLE_SHARE})
"""What may vary by the hour. An offer stands as its best hour does; then each hour is asked."""

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


class Eligibility:
    """Asks every constraint once per value and every profile once, and remembers the answers.

    A profile is all that the standing constraints and the minimum durations of offers depend on. Answers
    are bits, one an offer.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._answers: dict[tuple[Constraint, Value], Bytes] = {}
        self._long_enough: dict[int, Bytes] = {}
        self._everybody: Bytes = np.packbits(np.ones(len(facts), dtype=np.bool_))
        self._numbers: dict[tuple[Value, ...], int] = {}
        self._keys: list[tuple[Value, ...]] = []
        self._removed: list[tuple[int, Removed]] = []
        self._longest = int(facts.minimum.max(initial=1))
        self._bits: list[Bytes] = []

    def of(self, want: Want) -> Ints:
        """The offers that serve a want: standing constraints and minimum duration."""
        return self.rows(self.profile(want))

    def rows(self, profile: int) -> Ints:
        """The offers that serve wants of a profile: standing constraints and minimum duration."""
        passed = np.unpackbits(self._bits[profile], count=len(self.facts))
        return np.flatnonzero(passed).astype(np.int64)

    def removed(self, profile: int) -> tuple[int, Removed]:
        """How many offers meet all standing constraints, and how many each of them removes."""
        return self._removed[profile]

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

    def failing_only(self, profile: int, constraint: Constraint) -> Bytes:
        """One bit an offer: who would serve wants of the profile but for this one thing.

        Where that varies by the hour, nobody is sure to serve them in each.
        """
        left = self._everybody
        varies = constraint in HOURLY and self.facts.hourly.varies
        for standing, value in self._asked(profile):
            if standing.constraint is constraint:
                left = left if varies else left & ~self._answer(standing, value)
            else:
                left = left & self._answer(standing, value)
        return left & self._lasting(profile)

    def asks(self, profile: int) -> Iterator[Constraint]:
        """The standing constraints that wants of the profile have."""
        return (standing.constraint for standing, _ in self._asked(profile))

    def _asked(self, profile: int) -> Iterator[tuple[Standing, Value]]:
        values = zip(STANDING, self._keys[profile], strict=False)
        return ((standing, value) for standing, value in values if value is not None)

    def _ask(self, key: tuple[Value, ...]) -> None:
        self._keys.append(key)
        profile, left = len(self._bits), self._everybody
        before, removed = len(self.facts), []
        for standing, value in self._asked(profile):
            left = left & self._answer(standing, value)
            after = int(np.bitwise_count(left).sum())
            removed.append((standing.constraint, before - after))
            before = after
        self._bits.append(left & self._lasting(profile))
        self._removed.append((before, tuple(removed)))

    def _lasting(self, profile: int) -> Bytes:
        """The offers that are sold for runs as short as those of the profile."""
        shortest = self._keys[profile][-1]
        if shortest is None:
            return self._everybody
        if shortest not in self._long_enough:
            self._long_enough[shortest] = np.packbits(self.facts.minimum <= shortest)
        return self._long_enough[shortest]

    def _answer(self, standing: Standing, value: Value) -> Bytes:
        known = (standing.constraint, value)
        if known not in self._answers:
            self._answers[known] = np.packbits(standing.test(self.facts, value))
        return self._answers[known]
