"""What the samples of an hour add up to. Each figure stands by itself: one that nobody told is left out.

A sample holds until the next one of its card, and no longer than ``LONGEST_GAP``: while an exporter was away
nothing is known, so nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from marketplace.agent.telemetry.samples import NAMES, Card, Sample
from marketplace.agent.usage import Span

LONGEST_GAP = 120
ACTIVE, UTILISATION, ENERGY = "card-seconds.active", "utilisation.mean", "energy.wh"
MEMORY, POWER = "memory.mean", "power.mean"
JOULES = 3_600
"""Of a watt-hour."""


@dataclass(slots=True)
class Sum:
    """Of one figure: Σ value × seconds, and the seconds."""

    weighted: float = 0.0
    seconds: int = 0

    @property
    def mean(self) -> float:
        return self.weighted / self.seconds


def asked_for(span: Span) -> Span:
    """The samples that an hour needs: its own, and the last ones before it."""
    return Span(span.since - LONGEST_GAP, span.until)


def quantities(cards: Mapping[Card, Sequence[Sample]], span: Span) -> dict[str, int]:
    """By meter, whole numbers in the meter's unit; of what is known of the span, nothing else."""
    sums = {name: Sum() for name in NAMES}
    for samples in cards.values():
        for sample, seconds in _held(samples, span):
            for name, total in sums.items():
                value = getattr(sample.figures, name)
                if value is not None:
                    total.weighted += value * seconds
                    total.seconds += seconds
    told: dict[str, int] = {}
    if sums["utilisation"].seconds:
        told[ACTIVE] = int(sums["utilisation"].weighted / 100)
        told[UTILISATION] = round(sums["utilisation"].mean * 100)
    if sums["memory"].seconds:
        told[MEMORY] = round(sums["memory"].mean)
    if sums["power"].seconds:
        told[POWER] = round(sums["power"].mean)
    energies = [joules for samples in cards.values() if (joules := energy(samples, span)) is not None]
    if energies:
        told[ENERGY] = round(sum(energies) / JOULES)
    return told


def energy(samples: Sequence[Sample], span: Span) -> float | None:
    """J that a card drew: what its counter counted, else its power × time; None where neither is told.

    What a counter counted between two samples is of the hour of the later one.
    """
    counted = [one.figures.energy for one in samples if one.figures.energy is not None]
    if len(counted) >= 2:
        return sum(_counted(counted))
    drawn = [
        (one.figures.power, seconds) for one, seconds in _held(samples, span) if one.figures.power is not None
    ]
    return sum(power * seconds for power, seconds in drawn) if drawn else None


def _counted(readings: Iterable[float]) -> Iterator[float]:
    """A counter that falls was set back to zero, by a reboot or a new driver: it counted what it shows."""
    for before, after in pairwise(readings):
        yield after - before if after >= before else after


def _held(samples: Sequence[Sample], span: Span) -> Iterator[tuple[Sample, int]]:
    """Each sample with the seconds of the span that it holds for, which may begin before the span."""
    ends = [*(one.at for one in samples[1:]), span.until]
    for sample, end in zip(samples, ends, strict=True):
        seconds = min(end, sample.at + LONGEST_GAP) - max(sample.at, span.since)
        if seconds > 0:
            yield sample, seconds
