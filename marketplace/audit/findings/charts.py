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
    label: str
    points: Sequence[Decimal]
    lowest: Decimal
    highest: Decimal


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
    return [
        Line(_("Duty cycle, %"), duty, min(duty), max(duty)),
        Line(_("Power of a card, W"), watts, min(watts), max(watts)),
    ]
