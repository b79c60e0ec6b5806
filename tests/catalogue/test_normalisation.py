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
    BENCHMARKS,
    REFERENCE_MODEL,
    REFERENCE_RATE,
    ROOFLINES,
    Profile,
    percentile,
    profile_of,
    profiles_for,
    relative_by_data_sheet,
)
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
    estimate = relative_by_data_sheet(MODELS["b200-sxm"], REFERENCE, Workload.TRAINING)
    profile = PROFILES["b200-sxm", Workload.TRAINING]
    assert profile.evidence_kind == "benchmark"
    assert estimate is not None
    assert profile.rate < estimate * REFERENCE_RATE


def test_the_data_sheet_stands_in_where_nothing_is_published() -> None:
    profile = PROFILES["ascend-910b2", Workload.TRAINING]
    assert profile.evidence_kind == "datasheet"
    # 353.9 of 989 TFLOPS, and 1600 of 3350 GB/s: compute binds.
    assert profile.rate == Decimal("0.353900")
    assert profile.lower == Decimal("0.212340")
    assert profile.evidence["peak_tflops"] == "353.9"


def test_memory_binds_when_it_is_the_smaller_ratio() -> None:
    # 121 of 989 TFLOPS would be 0.121 nP; 300 of 3350 GB/s are 0.0886.
    assert PROFILES["l4", Workload.FINE_TUNING].rate == Decimal("0.088567")


def test_decoding_rewards_bandwidth() -> None:
    assert PROFILES["h20", Workload.INFERENCE_DECODE].rate > 4 * PROFILES["h20", Workload.TRAINING].rate


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
    assert known(result("0.9", availability="research")).evidence_kind == "datasheet"


def test_an_untuned_result_is_set_aside_and_shown() -> None:
    profile = known(result("0.05"))
    assert profile.evidence_kind == "datasheet"
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
    assert known(result("0.9", "resnet")).evidence_kind == "datasheet"


@pytest.mark.parametrize("workload", [w for w in Workload if BENCHMARKS[w]])
def test_the_data_sheets_band_is_as_wide_as_its_error_against_published_results(workload: Workload) -> None:
    errors = []
    for (slug, kind), profile in PROFILES.items():
        estimate = relative_by_data_sheet(MODELS[slug], REFERENCE, kind)
        if kind is workload and slug != REFERENCE_MODEL and profile.evidence_kind == "benchmark" and estimate:
            errors.append(abs(estimate * REFERENCE_RATE / profile.rate - 1))
    assert len(errors) >= 4
    assert sum(errors) / len(errors) <= ROOFLINES[workload].band


@given(
    st.decimals("0.1", "5000", places=1),
    st.decimals("0.1", "9000", places=1),
    st.decimals("0", "1000", places=1),
    st.sampled_from([w for w in Workload if w is not Workload.HPC_FP64]),
)
def test_a_better_data_sheet_is_never_a_lower_estimate(
    compute: Decimal, bandwidth: Decimal, more: Decimal, workload: Workload
) -> None:
    own = relative_by_data_sheet(card(compute, bandwidth), REFERENCE, workload)
    faster = relative_by_data_sheet(card(compute + more, bandwidth), REFERENCE, workload)
    wider = relative_by_data_sheet(card(compute, bandwidth + more), REFERENCE, workload)
    assert own is not None
    assert faster is not None
    assert wider is not None
    assert own <= faster
    assert own <= wider


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
