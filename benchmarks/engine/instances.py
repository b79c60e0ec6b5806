"""How large a generated market is, and how scarce its cards are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Regime(StrEnum):
    """Scarcity, or the way in which buyers ask."""

    TIGHT = "tight"
    BALANCED = "balanced"
    SLACK = "slack"
    NP_ONLY = "np_only"


DEMAND_PER_SUPPLY: Mapping[Regime, float] = {
    Regime.TIGHT: 2.0,
    Regime.BALANCED: 1.0,
    Regime.SLACK: 1 / 3,
    Regime.NP_ONLY: 1.0,
}
"""Card-hours asked for, whatever their limit, per card-hour free (see ``scarcity``)."""


@dataclass(frozen=True, slots=True)
class Size:
    """``jobs`` scales how many jobs of the trace a request stands for.

    A market with more hours per request needs longer requests to be as scarce.
    """

    requests: int
    offers: int
    slots: int
    jobs: int

    @property
    def longest(self) -> int:
        """The longest request: three sevenths of the horizon, three days of a week."""
        return max(self.slots * 3 // 7, 1)

    def __str__(self) -> str:
        return f"{self.requests:,} × {self.offers:,} × {self.slots}"


def _week(requests: int) -> Size:
    """A week with five requests for each offer, as in the named instances."""
    return Size(requests=requests, offers=requests // 5, slots=168, jobs=3)


SIZES: Mapping[str, Size] = {
    "tiny": Size(requests=160, offers=24, slots=24, jobs=1),
    "small": Size(requests=1_000, offers=200, slots=24, jobs=1),
    "mid": _week(3_000),
    "medium": _week(10_000),
    "national": _week(100_000),
}
"""Requests × offers × slots. ``tiny`` is for tests, ``mid`` for what is measured many times over."""

SCALING: Mapping[str, Size] = {
    f"{thousands}k": _week(thousands * 1000) for thousands in (1, 2, 5, 10, 20, 50, 100, 200)
}
"""Points of the scaling curve, by thousands of requests. ``10k`` and ``100k`` are medium and national."""

ALL_SIZES: Mapping[str, Size] = {**SIZES, **SCALING}
