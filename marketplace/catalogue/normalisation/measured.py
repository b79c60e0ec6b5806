"""What was measured at a site comes before what is published, and that before an estimate.

A measurement holds for its site only: it says how these cards are cooled, cabled and configured. Acceptance
tests whose probe runs benchmarks feed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median

from marketplace.catalogue.normalisation.profiles import Evidence, Profile, profile_from
from marketplace.engine.snapshot import Workload

LEAST_MEASURED_BAND = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class SiteMeasurement:
    """Runs of a class's benchmark on cards of one model at one site.

    ``runs`` are throughputs per card relative to the reference card, one a run, all above zero.
    ``report`` says where the evidence lies.
    """

    site: str
    model_slug: str
    workload: Workload
    runs: tuple[Decimal, ...]
    measured_at: datetime
    report: str


def measured_profile(measurement: SiteMeasurement) -> Profile:
    """The median run; the band holds all runs and at least ±5 %.

    Raises ValueError for a measurement without runs, or with one that is not above zero.
    """
    runs = measurement.runs
    if not runs or min(runs) <= 0:
        raise ValueError(f"measurement {measurement.report}: runs must be above zero, at least one: {runs}")
    middle = median(runs)
    ratios = (
        min(*runs, middle * (1 - LEAST_MEASURED_BAND)),
        middle,
        max(*runs, middle * (1 + LEAST_MEASURED_BAND)),
    )
    evidence = {
        "summary": f"Median of {len(runs)} run(s) at the site.",
        "site": measurement.site,
        "measured_at": measurement.measured_at.isoformat(),
        "report": measurement.report,
        "runs": [str(run) for run in runs],
    }
    return profile_from(measurement.model_slug, measurement.workload, ratios, Evidence.MEASURED, evidence)


def at_site(
    site: str, published: Iterable[Profile], measurements: Iterable[SiteMeasurement]
) -> list[Profile]:
    """The profiles that hold at a site, ordered by model and class; of two measurements the newer one."""
    own = sorted((one for one in measurements if one.site == site), key=lambda one: one.measured_at)
    candidates: dict[tuple[str, Workload], list[Profile]] = {}
    for profile in (*published, *(measured_profile(one) for one in reversed(own))):
        candidates.setdefault((profile.model_slug, profile.workload), []).append(profile)
    order = list(Workload)
    return [
        in_force(candidates[key]) for key in sorted(candidates, key=lambda key: (key[0], order.index(key[1])))
    ]


def in_force(candidates: Sequence[Profile]) -> Profile:
    """The one with the best kind of evidence; of several with the same kind, the first."""
    precedence = list(Evidence)
    return min(candidates, key=lambda profile: precedence.index(profile.evidence_kind))
