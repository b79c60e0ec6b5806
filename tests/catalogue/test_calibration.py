"""The coefficients and the figures that ship are what the published results give."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from marketplace.catalogue.data.tables import (
    Coefficient,
    HoldOutFigure,
    load_accelerators,
    load_architectures,
    load_calibration,
    load_inference,
    load_training,
    load_validation,
)
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.fitting import fit
from marketplace.catalogue.normalisation.validation import validate

FACTS = (load_accelerators(), load_architectures(), [*load_training(), *load_inference()])
LAST_PLACE = Decimal("0.001")  # of a float rounded on another machine
GOAL = Decimal("0.15")


def figures(method: str, held_out: str) -> dict[str, HoldOutFigure]:
    found = {
        one.workload: one for one in load_validation() if (one.method, one.held_out) == (method, held_out)
    }
    assert set(found) == set(BENCHMARKED)
    return found


def by_key(coefficients: list[Coefficient] | tuple[Coefficient, ...]) -> dict[tuple[str, ...], Decimal]:
    found = {(one.kind, one.name, one.workload): one.value for one in coefficients}
    assert len(found) == len(coefficients)
    return found


def test_the_coefficients_are_what_the_published_results_give() -> None:
    stored, fitted = by_key(load_calibration()), by_key(fit(*FACTS))
    assert stored.keys() == fitted.keys()
    assert max(abs(stored[key] - fitted[key]) for key in stored) <= LAST_PLACE


def test_fewer_results_give_other_coefficients() -> None:
    accelerators, architectures, results = FACTS
    fitted = by_key(fit(accelerators, architectures, results[::2]))
    stored = by_key(load_calibration())
    assert max(abs(stored[key] - fitted[key]) for key in stored.keys() & fitted.keys()) > 10 * LAST_PLACE


def test_the_recorded_figures_are_found_again() -> None:
    recorded, found = load_validation(), validate(*FACTS)
    assert [(r.workload, r.method, r.held_out, r.results) for r in recorded] == [
        (f.workload, f.method, f.held_out, f.results) for f in found
    ]
    for before, now in zip(recorded, found, strict=True):
        assert abs(before.median_error - now.median_error) <= LAST_PLACE
        assert abs(before.mean_error - now.mean_error) <= LAST_PLACE
        assert before.above_lower == now.above_lower


@pytest.mark.parametrize("held_out", ["card", "round"])
def test_the_median_error_is_within_the_goal_in_every_class(held_out: str) -> None:
    assert all(one.median_error <= GOAL for one in figures("estimate", held_out).values())


def test_with_the_card_hidden_nine_in_ten_results_are_not_below_the_lower_bound() -> None:
    by_card = figures("estimate", "card").values()
    results = sum(one.results for one in by_card)
    above = sum(one.results * (one.above_lower or 0) for one in by_card)
    assert abs(above / results - Decimal("0.9")) < Decimal("0.02")


def test_calibration_halves_the_error_where_the_bare_data_sheet_is_far_off() -> None:
    estimate, bare = figures("estimate", "card"), figures("roofline", "card")
    for workload in ("training", "inference_decode", "vision"):
        assert estimate[workload].median_error < bare[workload].median_error / 2


def test_every_model_has_an_architecture() -> None:
    architectures = load_architectures()
    assert set(architectures) == {model.slug for model in load_accelerators()}
    vendors = defaultdict(set)
    for model in load_accelerators():
        vendors[architectures[model.slug]].add(model.vendor)
    assert all(len(owners) == 1 for owners in vendors.values())
