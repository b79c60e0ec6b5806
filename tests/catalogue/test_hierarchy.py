"""The model that is calibrated: what it makes of results, and that what is hidden stays hidden."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from marketplace.catalogue.data.tables import (
    load_accelerators,
    load_architectures,
    load_inference,
    load_training,
)
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.hierarchy import (
    OPTIONAL,
    Card,
    Cell,
    Design,
    Scales,
    _error_left_out,
    estimate,
    expected,
)
from marketplace.catalogue.normalisation.holdout import (
    HeldOut,
    bounds_by_class,
    bounds_of_all,
    leave_out_cards,
    leave_out_rounds,
    leave_out_rounds_and_cards,
)
from marketplace.catalogue.normalisation.observations import Study, study_of
from marketplace.engine.snapshot import Workload

TRAINING, DECODE = Workload.TRAINING, Workload.INFERENCE_DECODE
REFERENCE = Card("h100-sxm", "NVIDIA", "Hopper", (0.0,) * 6)
SMALL = Card("small", "AMD", "CDNA 3", (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0))
SIBLING = replace(SMALL, slug="sibling")
COUSIN = replace(SMALL, slug="cousin", architecture="CDNA 4")
STRANGER = replace(SMALL, slug="stranger", vendor="Huawei", architecture="Da Vinci")


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of(load_accelerators(), load_architectures(), [*load_training(), *load_inference()])


def cell(card: Card, log_relative: float, **facts: object) -> Cell:
    row = {"workload": TRAINING, "benchmark": "bert", "round": "v1", "spread": 0.05}
    return Cell(card=card, log_relative=log_relative, **(row | facts))  # type: ignore[arg-type]


def after(*cells: Cell, card: Card, workload: Workload = TRAINING) -> float:
    design = Design(cells, REFERENCE, Scales())
    weights = design.weights(design.rows(lambda _: True), OPTIONAL)
    return estimate(design, weights, card, workload)


def test_the_reference_card_is_one_whatever_was_seen() -> None:
    assert after(cell(SMALL, -3.0), card=REFERENCE) == 0.0


def test_without_results_physics_is_what_is_expected() -> None:
    assert expected(SMALL, TRAINING) == pytest.approx(-1.0)
    wide = replace(SMALL, features=(-1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert expected(wide, DECODE) == 0.0
    assert expected(wide, TRAINING) == pytest.approx(-0.35)


def test_a_card_that_does_better_lifts_its_kin_the_more_the_closer() -> None:
    seen = cell(SMALL, -0.5)
    lifted = [after(seen, card=card) for card in (SMALL, SIBLING, COUSIN, STRANGER)]
    assert -0.5 > lifted[0] > lifted[1] > lifted[2] > lifted[3] > -1.0


def test_results_in_one_class_speak_for_another_but_less() -> None:
    seen = cell(SMALL, -0.5)
    here, there = (after(seen, card=SMALL, workload=w) - expected(SMALL, w) for w in (TRAINING, DECODE))
    assert 0 < there < here


def test_more_results_are_believed_more() -> None:
    rounds = [cell(SMALL, -0.5, round=f"v{n}", benchmark=f"b{n}") for n in range(5)]
    assert after(*rounds[:1], card=SMALL) < after(*rounds, card=SMALL) < -0.5


def test_a_loose_comparison_is_believed_less() -> None:
    assert after(cell(SMALL, -0.5, spread=0.3), card=SMALL) < after(cell(SMALL, -0.5), card=SMALL)


def test_the_order_of_observations_does_not_matter(study: Study) -> None:
    rows = study.design.rows(lambda _: True)
    backwards = Design(study.design.cells[::-1], study.design.reference, Scales())
    np.testing.assert_allclose(
        study.design.weights(rows, OPTIONAL), backwards.weights(rows, OPTIONAL), atol=1e-9
    )


@pytest.mark.parametrize("optional", [(), ("pcie",), OPTIONAL])
def test_leaving_a_card_out_in_closed_form_is_leaving_it_out(study: Study, optional: tuple[str, ...]) -> None:
    # Without what a benchmark has in common in a round: the closed form learns that from other cards.
    design = Design(study.design.cells, study.design.reference, Scales(benchmark_in_round=0.0))
    errors: dict[Workload, list[float]] = {workload: [] for workload in BENCHMARKED}
    for slug in {one.card.slug for one in design.cells}:
        rows = design.rows(lambda one, slug=slug: one.card.slug != slug)
        weights = design.weights(rows, optional)
        for workload in BENCHMARKED:
            own = [one for one in design.cells if one.card.slug == slug and one.workload is workload]
            if own:
                found = estimate(design, weights, own[0].card, workload)
                off = abs(float(np.median([one.log_relative - found for one in own])))
                errors[workload].append(min(off, 0.5))
    expected_error = np.mean([np.mean(errors[workload]) for workload in BENCHMARKED])
    closed = _error_left_out(design, design.rows(lambda _: True), optional)
    assert closed == pytest.approx(expected_error, abs=1e-9)


def test_what_is_hidden_does_not_reach_its_own_estimate(study: Study) -> None:
    slug, workload = "h100-pcie", TRAINING
    straight = [one for one in study.design.cells if one.workload is workload]
    bent = [
        replace(one, log_relative=one.log_relative + 1.0) if one.card.slug == slug else one
        for one in straight
    ]
    results = {target: found for target, found in study.results.items() if target[1] is workload}
    one_class, other = (
        replace(study, results=results, design=Design(cells, study.design.reference, Scales()))
        for cells in (straight, bent)
    )

    def hidden(held: list[HeldOut]) -> list[float]:
        return [one.estimate for one in held if (one.slug, one.workload) == (slug, workload)]

    for leave_out in (lambda s: leave_out_cards(s, lambda card: card.slug), leave_out_rounds_and_cards):
        assert hidden(leave_out(other)) == pytest.approx(hidden(leave_out(one_class)), abs=1e-9)
    assert hidden(leave_out_rounds(other)) != pytest.approx(hidden(leave_out_rounds(one_class)), abs=0.1)


def test_a_hidden_round_is_judged_by_what_it_says_itself(study: Study) -> None:
    held = {(one.group, one.slug, one.workload): one for one in leave_out_rounds(study)}
    one = held["MLPerf Inference v3.0", "t4", Workload.INFERENCE_PREFILL]
    # 427.452 samples a second against 73107.6 of eight reference cards.
    assert math.exp(one.truth) == pytest.approx(0.0468, abs=1e-4)


def surprises(*values: float, workload: Workload = TRAINING) -> list[HeldOut]:
    return [HeldOut("g", "s", workload, truth=value, estimate=0.0) for value in values]


def test_at_most_one_in_ten_of_what_comes_lies_below_the_lower_bound() -> None:
    lower, upper = bounds_of_all(surprises(*(n / 100 for n in range(-9, 10))))
    # Of 19, place 2 from either end: (19 + 1) / 10.
    assert (math.log(lower), math.log(upper)) == (pytest.approx(-0.08), pytest.approx(0.08))


def test_with_few_results_the_worst_of_them_is_the_bound() -> None:
    lower, upper = bounds_of_all(surprises(-0.3, 0.1, 0.2))
    assert (math.log(lower), math.log(upper)) == (pytest.approx(-0.3), pytest.approx(0.2))


def test_the_estimate_is_within_its_bounds_even_where_all_results_lie_on_one_side() -> None:
    assert bounds_of_all(surprises(0.1, 0.2)) == (1.0, pytest.approx(math.exp(0.2)))


def test_a_class_that_is_twice_as_uncertain_has_bounds_twice_as_wide() -> None:
    sure, unsure = surprises(-0.1, 0.1), surprises(-0.2, 0.2, workload=DECODE)
    found = bounds_by_class([*sure, *unsure])
    assert math.log(found[DECODE][0]) == pytest.approx(2 * math.log(found[TRAINING][0]))
