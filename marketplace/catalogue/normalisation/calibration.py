"""The calibrated estimate: stored coefficients applied to a data sheet, in decimals.

The coefficients are data (``data/calibration.csv``); ``manage.py calibrate_normalisation`` fits them to
the published results and a test checks that the file is what the data give. A vendor, an architecture or
a card without a coefficient has no published result: its effect is taken as zero, which is what is
expected of it, and the band of a vendor never seen is the wider one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from marketplace.catalogue.data.tables import (
    Accelerator,
    Coefficient,
    load_architectures,
    load_calibration,
)
from marketplace.catalogue.normalisation.features import ASSUMABLE, FEATURES, features_of
from marketplace.engine.snapshot import Workload


class Kin(StrEnum):
    """What the band of an estimate rests on: how well cards of this kind were estimated when hidden."""

    KNOWN_VENDOR = "known_vendor"
    NEW_VENDOR = "new_vendor"
    BARE_ROOFLINE = "roofline"


@dataclass(frozen=True, slots=True)
class Band:
    """What to multiply an estimate by for the bounds below and above which one in ten results lay."""

    lower: Decimal
    upper: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """Throughput relative to the reference card.

    ``terms`` are the logarithms it is the sum of, by name; ``assumed`` names facts that the data sheet
    does not state.
    """

    relative: Decimal
    band: Band
    kin: Kin
    terms: Mapping[str, Decimal]
    assumed: tuple[str, ...]


class Calibration:
    """The coefficients, by what they belong to."""

    def __init__(self, coefficients: Iterable[Coefficient], architectures: Mapping[str, str]) -> None:
        self._values = {(one.kind, one.name, one.workload): one.value for one in coefficients}
        self._architectures = architectures

    def estimate(self, model: Accelerator, reference: Accelerator, workload: Workload) -> Estimate | None:
        """``None`` where the data sheet lacks the compute peak or the bandwidth."""
        typical = {name: self._values["typical", name, ""] for name in ASSUMABLE}
        features = features_of(model, reference, typical)
        if features is None:
            return None
        terms = {
            name: self._values["slope", name, workload] * value
            for name, value in zip(FEATURES, features.values, strict=True)
        }
        for kind, name in self._kin(model):
            terms[kind] = self._effect(kind, name, workload)
        kin = Kin.KNOWN_VENDOR if ("vendor", model.vendor, "") in self._values else Kin.NEW_VENDOR
        relative = sum(terms.values(), Decimal()).exp()
        return Estimate(relative, self.band(kin, workload), kin, terms, features.assumed)

    def band(self, kin: Kin, workload: Workload) -> Band:
        of_class = workload if kin is Kin.KNOWN_VENDOR else ""
        return Band(self._values["lower", kin, of_class], self._values["upper", kin, of_class])

    def _kin(self, model: Accelerator) -> tuple[tuple[str, str], ...]:
        architecture = self._architectures.get(model.slug, "")
        return ("vendor", model.vendor), ("architecture", architecture), ("card", model.slug)

    def _effect(self, kind: str, name: str, workload: Workload) -> Decimal:
        of_all = self._values.get((kind, name, ""), Decimal())
        return of_all + self._values.get((kind, name, workload), Decimal())


@cache
def calibration_in_force() -> Calibration:
    """The coefficients that ship with the exchange."""
    return Calibration(load_calibration(), load_architectures())
