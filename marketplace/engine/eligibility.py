"""Which offers an alternative may use, and how many each constraint removes.

Constraints are asked in the order of ``Constraint``; each is charged with the offers that it
removes from those that survived the ones before it. All of it looks at the market as it is before
the run, so it depends on nothing but the snapshot. A fact that is unknown satisfies no constraint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from marketplace.engine import windows
from marketplace.engine.facts import Facts, Ints, Mask
from marketplace.engine.result import Constraint, Funnel
from marketplace.engine.snapshot import Alternative
from marketplace.engine.want import Want

Test = Callable[[Facts, Want], Mask | None]


def _model(facts: Facts, want: Want) -> Mask | None:
    models = want.alternative.models
    return np.isin(facts.model, models) if models else None


def _rate(facts: Facts, want: Want) -> Mask | None:
    return facts.yields(want) > 0


def _precision(facts: Facts, want: Want) -> Mask | None:
    precision = want.alternative.precision
    return None if precision is None else facts.supports(precision)


def _memory(facts: Facts, want: Want) -> Mask | None:
    memory = want.alternative.memory
    return None if memory is None else facts.memory >= memory


def _stack(facts: Facts, want: Want) -> Mask | None:
    stacks = want.alternative.stacks
    return np.isin(facts.stack, stacks) if stacks else None


def _jurisdiction(facts: Facts, want: Want) -> Mask | None:
    jurisdictions = want.alternative.jurisdictions
    return np.isin(facts.jurisdiction, jurisdictions) if jurisdictions else None


def _latency(facts: Facts, want: Want) -> Mask | None:
    limit = want.alternative.latency
    return None if limit is None else facts.latency(limit.place) <= limit.microseconds


def _bandwidth(facts: Facts, want: Want) -> Mask | None:
    bandwidth = want.alternative.bandwidth
    return None if bandwidth is None else facts.bandwidth >= bandwidth


def _renewable_share(facts: Facts, want: Want) -> Mask | None:
    share = want.alternative.renewable_share
    return None if share is None else facts.renewable_share >= share


def _carbon(facts: Facts, want: Want) -> Mask | None:
    carbon = want.alternative.carbon
    return None if carbon is None else facts.carbon <= carbon


def _verification(facts: Facts, want: Want) -> Mask | None:
    level = want.alternative.verification
    return None if level is None else facts.verification >= level


def _notice(facts: Facts, want: Want) -> Mask | None:
    notice = want.alternative.notice
    return None if notice is None else facts.notice >= notice


def _window(facts: Facts, want: Want) -> Mask | None:
    alternative = want.alternative
    start = np.maximum(facts.first, alternative.earliest)
    end = np.minimum(facts.end, alternative.deadline)
    fits: Mask = (end - start >= alternative.duration) & (facts.minimum <= alternative.duration)
    return fits


# What an offer is, whoever asks and whenever; ``None`` from a test means "not asked for".
STANDING: tuple[tuple[Constraint, Test], ...] = (
    (Constraint.MODEL, _model),
    (Constraint.RATE, _rate),
    (Constraint.PRECISION, _precision),
    (Constraint.MEMORY, _memory),
    (Constraint.STACK, _stack),
    (Constraint.JURISDICTION, _jurisdiction),
    (Constraint.LATENCY, _latency),
    (Constraint.BANDWIDTH, _bandwidth),
    (Constraint.RENEWABLE_SHARE, _renewable_share),
    (Constraint.CARBON, _carbon),
    (Constraint.VERIFICATION, _verification),
    (Constraint.NOTICE, _notice),
)


@dataclass(frozen=True, slots=True)
class Eligible:
    """Rows of ``Facts`` that an alternative may use.

    ``fitting`` pass every constraint but the limit; ``rows`` are within the limit at their ask too.
    """

    funnel: Funnel
    fitting: Ints
    rows: Ints


class Eligibility:
    """Asks every constraint once per distinct profile and remembers the answer."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._profiles: dict[tuple[object, ...], tuple[Ints, tuple[tuple[Constraint, int], ...]]] = {}

    def of(self, want: Want) -> Eligible:
        """The offers that ``want`` may use in the market as it is before the run."""
        standing, removed = self.standing(want)
        timely = self._timely(want, standing)
        fitting, affordable = self._fitting(want, timely)
        counts = (
            *removed,
            (Constraint.WINDOW, standing.size - timely.size),
            (Constraint.CAPACITY, timely.size - fitting.size),
            (Constraint.LIMIT, fitting.size - affordable.size),
        )
        kept = tuple((constraint, count) for constraint, count in counts if count)
        funnel = Funnel(want.alternative.position, len(self.facts), kept)
        return Eligible(funnel, fitting, affordable)

    def standing(self, want: Want) -> tuple[Ints, tuple[tuple[Constraint, int], ...]]:
        """Rows that pass every standing constraint, and how many each constraint removed."""
        key = _profile(want)
        if key not in self._profiles:
            self._profiles[key] = self._ask(want)
        return self._profiles[key]

    def _ask(self, want: Want) -> tuple[Ints, tuple[tuple[Constraint, int], ...]]:
        left = np.ones(len(self.facts), dtype=np.bool_)
        removed = []
        for constraint, test in STANDING:
            passed = test(self.facts, want)
            if passed is not None:
                removed.append((constraint, int((left & ~passed).sum())))
                left &= passed
        return np.flatnonzero(left).astype(np.int64), tuple(removed)

    def _timely(self, want: Want, rows: Ints) -> Ints:
        fits = _window(self.facts, want)
        return rows if fits is None else rows[fits[rows]]

    def _fitting(self, want: Want, rows: Ints) -> tuple[Ints, Ints]:
        """Rows with enough cards in some run, and of those the ones within the limit."""
        alternative = want.alternative
        if not rows.size:
            return rows, rows
        span = slice(alternative.earliest, alternative.deadline)
        smallest_use = want.least if alternative.gang else 1
        cards = windows.needs(self.facts, want, rows, smallest_use)
        enough = windows.unbroken(self.facts.free[rows, span] >= cards[:, None], alternative.duration)
        cost = windows.totals(self.facts.asks[rows, span], alternative.duration)
        within = cost <= windows.generous_budgets(self.facts, want, rows)[:, None]
        return rows[enough.any(axis=1)], rows[(enough & within).any(axis=1)]


def failures(facts: Facts, want: Want) -> dict[Constraint, Mask]:
    """For every constraint asked for, standing ones and the window, which offers fail it."""
    asked = [*STANDING, (Constraint.WINDOW, _window)]
    answers = ((constraint, test(facts, want)) for constraint, test in asked)
    return {constraint: ~passed for constraint, passed in answers if passed is not None}


def _profile(want: Want) -> tuple[object, ...]:
    """What the standing constraints depend on; equal profiles have equal answers."""
    alternative: Alternative = want.alternative
    return (
        want.scale,
        alternative.workload,
        alternative.models,
        alternative.precision,
        alternative.memory,
        alternative.stacks,
        alternative.jurisdictions,
        alternative.latency,
        alternative.bandwidth,
        alternative.renewable_share,
        alternative.carbon,
        alternative.verification,
        alternative.notice,
    )
