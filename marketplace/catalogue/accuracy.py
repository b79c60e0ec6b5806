"""How far off the rates are on published results that were hidden from them, as the catalogue shows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from marketplace.catalogue.data.tables import HoldOutFigure, load_validation
from marketplace.catalogue.models import ProfileVersion, WorkloadClass
from marketplace.catalogue.normalisation import PROFILE_METHOD_VERSION

# The columns of the page. What else was tried is in ``docs/normalisation.md``.
SHOWN = (
    ("published", "round"),
    ("estimate", "round"),
    ("estimate", "card"),
    ("estimate", "vendor"),
    ("roofline", "card"),
)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures of one workload class, in the order of ``SHOWN``; ``None`` where nothing could be hidden."""

    workload: WorkloadClass
    figures: tuple[HoldOutFigure | None, ...]


def accuracy_of(version: ProfileVersion) -> tuple[Accuracy, ...]:
    """Nothing for profiles made by another method than the one that was validated."""
    return _recorded() if version.method == PROFILE_METHOD_VERSION else ()


@cache
def _recorded() -> tuple[Accuracy, ...]:
    found = {(one.workload, one.method, one.held_out): one for one in load_validation()}
    return tuple(
        Accuracy(workload, tuple(found.get((workload, *column)) for column in SHOWN))
        for workload in WorkloadClass
        if any((workload, *column) in found for column in SHOWN)
    )
