"""How well the rates do on published results that were hidden from them, class by class.

``manage.py validate_normalisation`` writes the figures to ``data/validation.csv``; the catalogue shows
them and a test finds them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from statistics import mean, median

from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult, HoldOutFigure
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.fitting import by_roofline
from marketplace.catalogue.normalisation.holdout import (
    HeldOut,
    bounds_by_class,
    bounds_of_all,
    leave_out_cards,
    leave_out_rounds,
    leave_out_rounds_and_cards,
)
from marketplace.catalogue.normalisation.observations import USUAL, Study, round_of, study_of
from marketplace.catalogue.normalisation.published import band_of, level
from marketplace.engine.snapshot import Workload

FIGURE_PLACES = Decimal("0.001")

# A result that was hidden, and whether it was at or above the lower bound.
Checked = tuple[HeldOut, bool | None]


class Method(StrEnum):
    ESTIMATE = "estimate"
    PUBLISHED = "published"
    ROOFLINE = "roofline"


class Hidden(StrEnum):
    CARD = "card"
    ROUND = "round"
    ROUND_AND_CARD = "round_and_card"
    VENDOR = "vendor"
    REFERENCE_VENDOR = "reference_vendor"


def validate(
    accelerators: Iterable[Accelerator],
    architectures: Mapping[str, str],
    results: Iterable[BenchmarkResult],
) -> list[HoldOutFigure]:
    """The figures of all methods and classes, in the order of the file."""
    models = {model.slug: model for model in accelerators}
    study = study_of(models.values(), architectures, results)
    by_card = leave_out_cards(study, lambda card: card.slug)
    abroad, home = _new_vendors(study)
    found: dict[tuple[Method, Hidden], Sequence[Checked]] = {
        (Method.ESTIMATE, Hidden.CARD): _within_bounds(by_card, by_card),
        (Method.ESTIMATE, Hidden.ROUND): _within_bounds(leave_out_rounds(study), by_card),
        (Method.ESTIMATE, Hidden.ROUND_AND_CARD): _within_bounds(leave_out_rounds_and_cards(study), by_card),
        (Method.ESTIMATE, Hidden.VENDOR): abroad,
        (Method.ESTIMATE, Hidden.REFERENCE_VENDOR): home,
        (Method.PUBLISHED, Hidden.ROUND): list(_published(study)),
        (Method.ROOFLINE, Hidden.CARD): [(one, None) for one in by_roofline(study, models)],
    }
    return [
        _figure(workload, method, hidden, [one for one in checked if one[0].workload is workload])
        for workload in BENCHMARKED
        for (method, hidden), checked in found.items()
    ]


def _within_bounds(held: Iterable[HeldOut], others: Sequence[HeldOut]) -> list[Checked]:
    """Whether each was above the bound that the other cards give it: none judges its own bound."""
    checked: list[Checked] = []
    for one in held:
        bounds = bounds_by_class([other for other in others if other.slug != one.slug])
        checked.append((one, one.surprise >= math.log(bounds[one.workload][0])))
    return checked


def _new_vendors(study: Study) -> tuple[list[Checked], list[Checked]]:
    """Other vendors, and that of the reference card, without which hardly anything is left to fit to.

    The bounds come from the other vendors only (see ``fitting``).
    """
    held = leave_out_cards(study, lambda card: card.vendor)
    abroad = [one for one in held if one.group != study.design.reference.vendor]
    checked: list[Checked] = []
    for one in held:
        lower, _ = bounds_of_all(other for other in abroad if other.group != one.group)
        checked.append((one, one.surprise >= math.log(lower)))
    return [one for one in checked if one[0] in abroad], [one for one in checked if one[0] not in abroad]


def _published(study: Study) -> Iterator[Checked]:
    """What the results of a card in all other rounds say of a round, with the band they have."""
    for (slug, workload), results in study.results.items():
        for round_ in sorted(set(map(round_of, results))):
            rest = [result for result in results if round_of(result) != round_]
            if rest:
                truth = study.truth(slug, workload, round_)
                lower = band_of(rest)[0]
                one = HeldOut(round_, slug, workload, truth, math.log(level(rest)))
                yield one, truth >= math.log(lower)


def _figure(workload: Workload, method: Method, hidden: Hidden, checked: Sequence[Checked]) -> HoldOutFigure:
    errors = [one.error for one, _ in checked]
    above = [is_above for _, is_above in checked if is_above is not None]
    return HoldOutFigure(
        workload=workload,
        method=method,
        held_out=hidden,
        results=len(checked),
        median_error=_share(median(errors)),
        mean_error=_share(mean(errors)),
        above_lower=_share(mean(above)) if above else None,
    )


def _share(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(FIGURE_PLACES, ROUND_HALF_EVEN)


def sensitivity(
    accelerators: Sequence[Accelerator],
    architectures: Mapping[str, str],
    results: Sequence[BenchmarkResult],
) -> Iterator[tuple[str, Mapping[Workload, Decimal]]]:
    """Median error by class on cards left out, with each hand-set scale halved and doubled."""
    for field in fields(USUAL):
        for factor in (0.5, 2.0):
            scales = replace(USUAL, **{field.name: getattr(USUAL, field.name) * factor})
            study = study_of(accelerators, architectures, results, scales)
            held = leave_out_cards(study, lambda card: card.slug)
            yield (
                f"{field.name} × {factor}",
                {w: _share(median(one.error for one in held if one.workload is w)) for w in BENCHMARKED},
            )
