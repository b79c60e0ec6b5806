"""Throughputs of whole systems, made comparable within their round."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marketplace.catalogue.data.rounds import Submission, compare
from marketplace.catalogue.data.tables import load_accelerators, load_inference, load_submissions

H100 = Submission("bert-99", "v9.0", "Offline", "h100-sxm", 8, "available", Decimal(800), "X", "x")
H200 = replace(H100, model="h200-sxm", throughput=Decimal(960))
OTHER = replace(H100, model="some-card", cards=2, throughput=Decimal(50))


def relatives(*submissions: Submission, bridge: str | None = None) -> list[tuple[str, str, Decimal]]:
    known = {("bert-99", "Offline"): Decimal(bridge)} if bridge else {}
    return [(one.model, basis, relative) for one, basis, relative in compare(submissions, known)]


def test_a_result_is_compared_per_card_with_the_reference_card_of_its_round() -> None:
    assert relatives(H100, OTHER) == [("some-card", "", Decimal("0.2500"))]


def test_the_median_of_several_reference_systems_counts() -> None:
    slower = replace(H100, throughput=Decimal(400))
    slowest = replace(H100, throughput=Decimal(200))
    assert relatives(H100, slower, slowest, OTHER) == [("some-card", "", Decimal("0.5000"))]


def test_another_round_scenario_or_accuracy_is_no_reference() -> None:
    for elsewhere in (
        replace(H100, round="v8.0"),
        replace(H100, scenario="Server"),
        replace(H100, benchmark="bert-99.9"),
    ):
        with pytest.raises(LookupError, match=r"bert-99 Offline of some-card in v9\.0"):
            relatives(elsewhere, OTHER)


def test_a_round_without_the_reference_card_is_chained_through_the_h200() -> None:
    # 25 a card against 120 of the H200, which does 1.2 reference cards.
    assert relatives(H200, OTHER, bridge="1.2") == [("some-card", "chained_h200", Decimal("0.2500"))]


def test_with_the_reference_card_in_the_round_the_h200_is_a_card_like_others() -> None:
    assert relatives(H100, H200) == [("h200-sxm", "", Decimal("1.2000"))]


def test_a_chain_needs_what_the_h200_does_itself() -> None:
    with pytest.raises(LookupError, match="neither h100-sxm nor h200-sxm"):
        relatives(H200, OTHER)


def test_every_transcribed_result_is_of_a_model_in_the_catalogue_and_is_used() -> None:
    submissions = load_submissions()
    assert {one.model for one in submissions} <= {model.slug for model in load_accelerators()}
    assert {one.round for one in submissions} == {"v2.1", "v3.0", "v3.1", "v4.0", "v5.1"}
    compared = {(r.model, r.round) for r in load_inference()}
    yardsticks = {("h100-sxm", one.round) for one in submissions} | {("h200-sxm", "v5.1")}
    assert {(one.model, one.round) for one in submissions} - yardsticks <= compared
