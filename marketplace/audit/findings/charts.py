"""The evidence of readings as one line a figure: duty cycle and power over the hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from marketplace.audit.findings.models import Evidence

LEAST_POINTS = 6
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Line:
    """``points`` are in a view box of 1000 × 100 that begins at nothing: what hardly moves looks like it."""

    label: str
    lowest: Decimal
    highest: Decimal
    points: str


def chart_of(evidence: QuerySet[Evidence]) -> Sequence[Line]:
    """Over the hours in order: the duty cycle in percent, and the power of a card in W; nothing of a few."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for facts in evidence.filter(kind="metered_hour").values_list("facts", flat=True)[:MOST_ROWS]:
        for place, name in enumerate(("allocated", "active", "energy")):
            sums[facts["slot"]][place] += facts[name] or 0
    if len(sums) < LEAST_POINTS:
        return []
    hours = [hour for _slot, hour in sorted(sums.items())]
    duty = [Decimal(100 * active) / allocated for allocated, active, _energy in hours]
    watts = [Decimal(3600 * energy) / allocated for allocated, _active, energy in hours]
    return [_line(_("Duty cycle, %"), duty), _line(_("Power of a card, W"), watts)]


def _line(label: str, values: Sequence[Decimal]) -> Line:
    top, steps = max(*values, Decimal(1)), len(values) - 1
    places = (f"{1000 * place // steps},{100 - 98 * value / top:.1f}" for place, value in enumerate(values))
    return Line(label, min(values), max(values), " ".join(places))
