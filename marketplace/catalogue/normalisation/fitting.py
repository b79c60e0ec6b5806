"""Fitting the coefficients of the calibration to the published results, and rounding them to decimals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from marketplace.catalogue.data.rounds import REFERENCE_MODEL
from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult, Coefficient
from marketplace.catalogue.normalisation.calibration import Kin
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.features import FEATURES, typical_of
from marketplace.catalogue.normalisation.hierarchy import EXPECTED, Effect, choose_features
from marketplace.catalogue.normalisation.holdout import (
    Bounds,
    HeldOut,
    bounds_by_class,
    bounds_of_all,
    leave_out_cards,
)
from marketplace.catalogue.normalisation.observations import Study, study_of
from marketplace.catalogue.normalisation.roofline import relative_by_roofline

EFFECT_PLACES = Decimal("0.0001")
BOUND_PLACES = Decimal("0.001")


def fit(
    accelerators: Iterable[Accelerator],
    architectures: Mapping[str, str],
    results: Iterable[BenchmarkResult],
) -> list[Coefficient]:
    """All coefficients, in the order of the file."""
    models = {model.slug: model for model in accelerators}
    study = study_of(models.values(), architectures, results)
    typical = typical_of(models.values(), models[REFERENCE_MODEL])
    return [
        *(Coefficient("typical", name, "", value) for name, value in typical.items()),
        *_effects(study),
        *_bounds(study, models),
    ]


def _effects(study: Study) -> Iterator[Coefficient]:
    """What is not zero, as differences from the reference card's vendor and architecture."""
    design = study.design
    everything = design.rows(lambda _: True)
    weights = design.weights(everything, choose_features(design, everything))
    found = dict(zip(design.effects, map(float, weights), strict=True))
    for workload in BENCHMARKED:
        for name in FEATURES:
            shifts = (found.get(Effect("slope", name, scope), 0.0) for scope in ("", workload))
            yield _coefficient("slope", name, workload, EXPECTED[workload].get(name, 0.0) + sum(shifts))
    zero = {"vendor": design.reference.vendor, "architecture": design.reference.architecture}
    for effect, value in found.items():
        if effect.kind != "slope":
            name = zero.get(effect.kind, "")
            difference = value - found.get(Effect(effect.kind, name, effect.workload), 0.0)
            yield _coefficient(effect.kind, effect.name, effect.workload, difference)


def _bounds(study: Study, models: Mapping[str, Accelerator]) -> Iterator[Coefficient]:
    """The bounds of each kind of estimate, from how it did on results that were hidden from it.

    For a vendor without results the reference card's vendor is no measure: without it hardly any result
    is left to calibrate on.
    """
    home = study.design.reference.vendor
    abroad = [one for one in leave_out_cards(study, lambda card: card.vendor) if one.group != home]
    for workload, bounds in bounds_by_class(leave_out_cards(study, lambda card: card.slug)).items():
        yield from _band(Kin.KNOWN_VENDOR, workload, bounds)
    yield from _band(Kin.NEW_VENDOR, "", bounds_of_all(abroad))
    yield from _band(Kin.BARE_ROOFLINE, "", bounds_of_all(by_roofline(study, models)))


def _band(kin: Kin, workload: str, bounds: Bounds) -> Iterator[Coefficient]:
    """Rounded outwards."""
    lower, upper = (_decimal(bound) for bound in bounds)
    yield Coefficient("lower", kin, workload, lower.quantize(BOUND_PLACES, ROUND_FLOOR))
    yield Coefficient("upper", kin, workload, upper.quantize(BOUND_PLACES, ROUND_CEILING))


def by_roofline(study: Study, models: Mapping[str, Accelerator]) -> list[HeldOut]:
    """What the bare roofline says of each card; nothing is fitted, so nothing needs hiding."""
    held = []
    for slug, workload in study.results:
        ratio = relative_by_roofline(models[slug], models[REFERENCE_MODEL], workload)
        if ratio is not None:
            held.append(HeldOut(slug, slug, workload, study.truth(slug, workload), float(ratio.ln())))
    return held


def _coefficient(kind: str, name: str, workload: str, value: float) -> Coefficient:
    return Coefficient(kind, name, workload, _decimal(value).quantize(EFFECT_PLACES, ROUND_HALF_EVEN))


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
