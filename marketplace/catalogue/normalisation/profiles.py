"""The rate of each model in each class: the best evidence there is, with its band.

``profiles_for`` is what is published; ``at_site`` puts what was measured at a site before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from marketplace.catalogue.data.rounds import REFERENCE_MODEL
from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult
from marketplace.catalogue.normalisation.calibration import (
    Calibration,
    Estimate,
    Kin,
    calibration_in_force,
)
from marketplace.catalogue.normalisation.classes import BENCHMARKED, REFERENCE_RATE, ROOFLINES
from marketplace.catalogue.normalisation.published import band_of, best, level, sifted
from marketplace.catalogue.normalisation.roofline import intensity_of, relative_by_roofline
from marketplace.engine.snapshot import Workload

PLACES = Decimal("0.000001")

Ratios = tuple[Decimal, Decimal, Decimal]  # lower bound, rate and upper bound over the reference card


class Evidence(StrEnum):
    """Where a rate comes from. An earlier kind takes precedence over a later one."""

    MEASURED = "measured"
    BENCHMARK = "benchmark"
    DATASHEET = "datasheet"


@dataclass(frozen=True, slots=True)
class Profile:
    """What one card of a model does in a class, nP, with the band in which the truth should lie."""

    model_slug: str
    workload: Workload
    rate: Decimal
    lower: Decimal
    upper: Decimal
    evidence_kind: Evidence
    evidence: dict[str, object]


def profiles_for(
    accelerators: Iterable[Accelerator],
    training: Iterable[BenchmarkResult],
    inference: Iterable[BenchmarkResult],
) -> list[Profile]:
    """Profiles of all models in all classes, ordered by model and class.

    A model without benchmark and without the data-sheet facts of a class has no profile in it.
    Raises LookupError when the reference card is not among the accelerators.
    """
    models = {accelerator.slug: accelerator for accelerator in accelerators}
    if REFERENCE_MODEL not in models:
        raise LookupError(f"the reference card {REFERENCE_MODEL} is not among the accelerators")
    results = [*training, *inference]
    found = (
        profile_of(models[slug], models[REFERENCE_MODEL], workload, results)
        for slug in sorted(models)
        for workload in Workload
    )
    return [profile for profile in found if profile is not None]


def profile_of(
    model: Accelerator,
    reference: Accelerator,
    workload: Workload,
    results: Iterable[BenchmarkResult],
    calibration: Calibration | None = None,
) -> Profile | None:
    """The profile of one model in one class, or ``None`` where nothing is known."""
    if model.slug == reference.slug:
        return _reference_profile(workload)
    plausible, set_aside = sifted(model, reference, workload, results)
    if plausible:
        return _published_profile(model, workload, plausible, set_aside)
    if workload not in BENCHMARKED:
        return _roofline_profile(model, reference, workload, calibration or calibration_in_force())
    estimate = (calibration or calibration_in_force()).estimate(model, reference, workload)
    return _estimated_profile(model, workload, estimate, set_aside) if estimate is not None else None


def profile_from(
    model_slug: str, workload: Workload, ratios: Ratios, kind: Evidence, evidence: Mapping[str, object]
) -> Profile:
    """Ratios to the reference card as nP; the band is rounded outwards."""
    lower, rate, upper = (REFERENCE_RATE * ratio for ratio in ratios)
    return Profile(
        model_slug,
        workload,
        rate=rate.quantize(PLACES, ROUND_HALF_EVEN),
        lower=lower.quantize(PLACES, ROUND_FLOOR),
        upper=upper.quantize(PLACES, ROUND_CEILING),
        evidence_kind=kind,
        evidence={"reference": REFERENCE_MODEL, "relative": _text(ratios[1]), **evidence},
    )


def _reference_profile(workload: Workload) -> Profile:
    summary = "The reference card: 0.989 nP in every class by definition."
    ratios = (Decimal(1), Decimal(1), Decimal(1))
    return profile_from(REFERENCE_MODEL, workload, ratios, Evidence.BENCHMARK, {"summary": summary})


def _published_profile(
    model: Accelerator,
    workload: Workload,
    plausible: Sequence[BenchmarkResult],
    set_aside: Sequence[BenchmarkResult],
) -> Profile:
    found = best(plausible)
    used = [result for results in found.values() for result in results]
    rounds = sorted({f"{result.suite} {result.round}" for result in used})
    lower, upper = band_of(plausible)
    evidence = {
        "summary": f"Median of {len(found)} benchmark(s), {len(used)} published result(s): "
        f"{', '.join(rounds)}.",
        "benchmarks": len(found),
        "results": [_row(result) for result in used],
        "in_band_only": [_row(result) for result in plausible if result not in used],
        "set_aside": [_row(result) for result in set_aside],
    }
    ratios = (lower, level(plausible), upper)
    return profile_from(model.slug, workload, ratios, Evidence.BENCHMARK, evidence)


def _estimated_profile(
    model: Accelerator, workload: Workload, estimate: Estimate, set_aside: Sequence[BenchmarkResult]
) -> Profile:
    evidence = {
        "summary": "Estimated from the data sheet, calibrated on published results of other cards.",
        "calibrated_on": estimate.kin.value,
        "factors": {name: _text(term.exp()) for name, term in estimate.terms.items()},
        "assumed": list(estimate.assumed),
        **_data_sheet(model, workload),
        "set_aside": [_row(result) for result in set_aside],
    }
    middle = estimate.relative
    ratios = (middle * estimate.band.lower, middle, middle * estimate.band.upper)
    return profile_from(model.slug, workload, ratios, Evidence.DATASHEET, evidence)


def _roofline_profile(
    model: Accelerator, reference: Accelerator, workload: Workload, calibration: Calibration
) -> Profile | None:
    """For a class without any benchmark: its band is how wide rooflines are where there is one."""
    middle, intensity = relative_by_roofline(model, reference, workload), intensity_of(reference, workload)
    if middle is None or intensity is None:
        return None
    band = calibration.band(Kin.BARE_ROOFLINE, workload)
    evidence = {
        "summary": "The bare roofline of the data sheet: no benchmark of this class is published.",
        "calibrated_on": Kin.BARE_ROOFLINE.value,
        "operations_per_byte": _text(intensity),
        **_data_sheet(model, workload),
    }
    ratios = (middle * band.lower, middle, middle * band.upper)
    return profile_from(model.slug, workload, ratios, Evidence.DATASHEET, evidence)


def _data_sheet(model: Accelerator, workload: Workload) -> dict[str, str]:
    facts = {
        "peak_tflops": model.peak(*ROOFLINES[workload].precisions),
        "memory_bandwidth_gb_s": model.memory_bandwidth_gb_s,
        "tdp_w": model.tdp_w,
        "memory_gb": model.memory_gb,
        "interconnect_gb_s": model.interconnect_gb_s,
        "source": model.source,
        "confidence": model.confidence,
    }
    return {name: str(fact) for name, fact in facts.items() if fact is not None}


def _row(result: BenchmarkResult) -> dict[str, str]:
    facts = {
        "suite": result.suite,
        "round": result.round,
        "benchmark": result.benchmark,
        "scenario": result.scenario,
        "cards": result.cards,
        "basis": result.basis,
        "availability": result.availability,
        "relative": str(result.relative),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _text(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.0001'), ROUND_HALF_EVEN):f}"
