from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.catalogue.data.tables import (
    Accelerator,
    BenchmarkResult,
    load_accelerators,
    load_inference,
    load_training,
)
from marketplace.catalogue.normalisation import (
    REFERENCE_MODEL,
    REFERENCE_RATE,
    Evidence,
    Profile,
    profile_of,
    profiles_for,
)
from marketplace.catalogue.normalisation.calibration import Kin, calibration_in_force
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.published import percentile
from marketplace.engine.snapshot import Precision, Workload

MODELS = {model.slug: model for model in load_accelerators()}
REFERENCE = MODELS[REFERENCE_MODEL]
RESULTS = (*load_training(), *load_inference())
PROFILES = {
    (profile.model_slug, profile.workload): profile
    for profile in profiles_for(MODELS.values(), load_training(), load_inference())
}


def card(compute: Decimal | None, bandwidth: Decimal | None) -> Accelerator:
    peaks = ((Precision.BF16, compute),) if compute else ()
    return replace(REFERENCE, slug="some-card", peaks=peaks, memory_bandwidth_gb_s=bandwidth)


def result(relative: str, benchmark: str = "bert", **facts: str) -> BenchmarkResult:
    row = {
        "suite": "MLPerf Training",
        "round": "v9.0",
        "scenario": "",
        "model": "some-card",
        "cards": "8",
        "basis": "same_n",
        "availability": "available",
    }
    return BenchmarkResult(benchmark=benchmark, relative=Decimal(relative), **(row | facts))


def training(*results: BenchmarkResult, model: Accelerator | None = None) -> Profile | None:
    return profile_of(model or card(Decimal(989), Decimal(3350)), REFERENCE, Workload.TRAINING, results)


def estimated(model: Accelerator, workload: Workload = Workload.TRAINING) -> Decimal:
    """The calibrated estimate of a model's throughput relative to the reference card."""
    found = calibration_in_force().estimate(model, REFERENCE, workload)
    assert found is not None
    return found.relative


def known(*results: BenchmarkResult, model: Accelerator | None = None) -> Profile:
    profile = training(*results, model=model)
    assert profile is not None
    return profile


@pytest.mark.parametrize("workload", Workload)
def test_the_reference_card_does_its_own_peak_in_every_class(workload: Workload) -> None:
    profile = PROFILES[REFERENCE_MODEL, workload]
    assert (profile.lower, profile.rate, profile.upper) == (Decimal("0.989"),) * 3


def test_without_the_reference_card_there_are_no_profiles() -> None:
    others = [model for slug, model in MODELS.items() if slug != REFERENCE_MODEL]
    with pytest.raises(LookupError, match="h100-sxm"):
        profiles_for(others, RESULTS, [])


def test_every_band_holds_its_rate_and_nothing_is_zero() -> None:
    assert all(0 < p.lower <= p.rate <= p.upper for p in PROFILES.values())
    assert all(p.rate.as_tuple().exponent == -6 or p.rate == REFERENCE_RATE for p in PROFILES.values())


def test_profiles_do_not_depend_on_the_order_of_rows() -> None:
    again = profiles_for(
        list(MODELS.values())[::-1], list(load_training())[::-1], list(load_inference())[::-1]
    )
    assert again == list(PROFILES.values())


def test_a_published_result_beats_the_data_sheet() -> None:
    model = MODELS["b200-sxm"]
    profile = PROFILES["b200-sxm", Workload.TRAINING]
    assert profile.evidence_kind == Evidence.BENCHMARK
    assert abs(profile.rate / REFERENCE_RATE - estimated(model)) > Decimal("0.01")


def test_the_data_sheet_stands_in_where_nothing_is_published() -> None:
    profile = PROFILES["ascend-910b2", Workload.TRAINING]
    assert profile.evidence_kind == Evidence.DATASHEET
    expected = estimated(MODELS["ascend-910b2"]) * REFERENCE_RATE
    assert abs(profile.rate - expected) <= Decimal("0.0000005")
    assert profile.evidence["peak_tflops"] == "353.9"


def test_a_vendor_of_whom_nothing_is_published_has_the_wider_band() -> None:
    ascend, a800 = PROFILES["ascend-910b2", Workload.TRAINING], PROFILES["a800-sxm-80gb", Workload.TRAINING]
    assert (ascend.evidence["calibrated_on"], a800.evidence["calibrated_on"]) == (
        Kin.NEW_VENDOR,
        Kin.KNOWN_VENDOR,
    )
    assert ascend.lower / ascend.rate < a800.lower / a800.rate
    assert ascend.upper / ascend.rate > a800.upper / a800.rate


def test_facts_that_the_data_sheet_does_not_state_are_named_as_assumed() -> None:
    assert PROFILES["tpu-v4", Workload.TRAINING].evidence["assumed"] == ["power", "interconnect"]
    assert PROFILES["h20", Workload.TRAINING].evidence["assumed"] == []


def test_what_the_factors_say_multiplies_to_the_rate() -> None:
    for profile in PROFILES.values():
        if "factors" in profile.evidence:
            factors = profile.evidence["factors"]
            assert isinstance(factors, dict)
            product = Decimal(1)
            for factor in factors.values():
                product *= Decimal(factor)
            assert abs(product / Decimal(str(profile.evidence["relative"])) - 1) < Decimal("0.01")


def test_decoding_rewards_bandwidth_more_than_compute() -> None:
    usual = card(Decimal(989), Decimal(3350))
    wide, fast = card(Decimal(989), Decimal(6700)), card(Decimal(1978), Decimal(3350))
    decode, prefill = Workload.INFERENCE_DECODE, Workload.INFERENCE_PREFILL
    assert estimated(wide, decode) > estimated(fast, decode) > estimated(usual, decode)
    assert estimated(fast, prefill) > estimated(wide, prefill) > estimated(usual, prefill)


@pytest.mark.parametrize("slug", ["kunlunxin-p800", "mlu590", "enflame-s60", "biren-br106"])
def test_missing_facts_give_no_profile(slug: str) -> None:
    assert not [key for key in PROFILES if key[0] == slug]


def test_hpc_needs_an_fp64_peak() -> None:
    assert ("ascend-910b2", Workload.HPC_FP64) not in PROFILES
    assert PROFILES["h20", Workload.HPC_FP64].rate < Decimal("0.02")


@pytest.mark.parametrize("facts", [(None, Decimal(3350)), (Decimal(989), None)])
def test_no_estimate_without_compute_or_bandwidth(facts: tuple[Decimal | None, Decimal | None]) -> None:
    assert training(model=card(*facts)) is None


def test_a_result_counts_even_without_a_data_sheet() -> None:
    assert known(result("0.5"), model=card(None, None)).rate == Decimal("0.494500")


def test_a_benchmark_counts_once_however_often_it_was_run() -> None:
    often = [result("0.6", round=f"v{n}.0") for n in range(5)]
    assert known(*often, result("0.8", "gpt3")).evidence["relative"] == "0.7000"


def test_the_same_number_of_cards_beats_a_near_number_which_only_widens_the_band() -> None:
    profile = known(result("0.8"), result("1.4", basis="near_n"))
    assert profile.evidence["relative"] == "0.8000"
    assert profile.upper == percentile([Decimal("0.8"), Decimal("1.4")], 90) * REFERENCE_RATE


def test_a_preview_counts_only_where_nothing_is_available() -> None:
    preview = result("0.9", availability="preview")
    assert known(preview, result("0.6", basis="near_n")).evidence["relative"] == "0.6000"
    assert known(preview).evidence["relative"] == "0.9000"


def test_research_entries_never_count() -> None:
    assert known(result("0.9", availability="research")).evidence_kind == Evidence.DATASHEET


def test_an_untuned_result_is_set_aside_and_shown() -> None:
    profile = known(result("0.05"))
    assert profile.evidence_kind == Evidence.DATASHEET
    assert profile.evidence["set_aside"] == [
        {
            "suite": "MLPerf Training",
            "round": "v9.0",
            "benchmark": "bert",
            "cards": "8",
            "basis": "same_n",
            "availability": "available",
            "relative": "0.05",
        }
    ]
    assert PROFILES["mi300x", Workload.TRAINING].evidence["set_aside"]


def test_other_benchmarks_do_not_count_for_training() -> None:
    assert known(result("0.9", "resnet")).evidence_kind == Evidence.DATASHEET


@given(
    st.decimals("0.1", "5000", places=1),
    st.decimals("0.1", "9000", places=1),
    st.decimals("0", "1000", places=1),
    st.sampled_from(BENCHMARKED),
)
def test_a_better_data_sheet_is_never_a_lower_estimate(
    compute: Decimal, bandwidth: Decimal, more: Decimal, workload: Workload
) -> None:
    own = estimated(card(compute, bandwidth), workload)
    assert own <= estimated(card(compute + more, bandwidth), workload)
    assert own <= estimated(card(compute, bandwidth + more), workload)


@given(st.lists(st.decimals("0.4", "2.5", places=4), min_size=1, max_size=12))
def test_the_band_holds_the_rate_whatever_was_published(relatives: list[Decimal]) -> None:
    profile = known(*(result(str(relative), round=f"v{n}") for n, relative in enumerate(relatives)))
    assert profile.lower <= profile.rate * Decimal("0.9001")
    assert profile.rate * Decimal("1.0999") <= profile.upper


def test_the_catalogue_is_whole() -> None:
    by_vendor = defaultdict(list)
    for model in MODELS.values():
        by_vendor[model.vendor].append(model.slug)
    assert len(MODELS) == 70
    assert {"Huawei", "Cambricon", "Hygon", "AMD", "NVIDIA", "Kunlunxin", "Moore Threads"} <= set(by_vendor)
    assert MODELS["mlu590"].memory_gb is None
