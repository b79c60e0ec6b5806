"""How much work one card does, in normalised PFLOPS (nP), for each class of work.

The reference card is the H100 SXM. Its dense BF16 peak is 0.989 PFLOPS, and by definition it does
0.989 nP in every class. Any other card does 0.989 nP times its throughput relative to the reference
card in that class. One nP is therefore a rate of work, not a count of operations: 1 nP of decoding
is what 1/0.989 of an H100 SXM decodes.

Relative throughput comes from the first of these that exists:

1. Published MLPerf results of the class's benchmarks (``BENCHMARKS``). A benchmark counts once,
   with the median of its best results: those generally available before previews, and among them
   those whose reference used the same number of cards before a near number, before one chained
   through the H200. Research entries never count. A result more than ``SET_ASIDE_FACTOR`` away from
   the data sheet's estimate says how well software was tuned, not what the card can do: it is set
   aside and listed. The rate is the median over benchmarks; the band holds the 10th to 90th
   percentile of all results that were not set aside, and at least ±10 %.
2. A roofline estimate from the data sheet (``ROOFLINES``): the peak rate at the class's arithmetic
   intensity, relative to the reference card's. Most classes use the intensity at which the reference
   card turns from memory-bound to compute-bound, which makes the estimate the smaller of the compute
   ratio and the bandwidth ratio. The band of each class is at least the mean error of this estimate
   against the published results (``tests/catalogue`` recomputes it).
3. Nothing. A data sheet without the compute peak or the bandwidth gives no profile.

What stands for a class: training is pre-training of language models; fine-tuning is LoRA on a 70 B
model; vision is training of and inference with image models. MLPerf has no benchmark of prefill or
decode alone: prefill is read from encoders and from summaries of long articles (thousands of tokens
in, few out), decode from chat with large models (about as many tokens out as in). HPC has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from statistics import median

from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult
from marketplace.engine.snapshot import Precision, Workload

PROFILE_METHOD_VERSION = "mlperf-median-else-roofline/1"

REFERENCE_MODEL = "h100-sxm"
REFERENCE_RATE = Decimal("0.989")
PLACES = Decimal("0.000001")

LEAST_BENCHMARK_BAND = Decimal("0.10")
SET_ASIDE_FACTOR = Decimal(3)
BASES = ("same_n", "near_n", "chained_h200", "chained_h200_near_n")

IMAGE_BENCHMARKS = frozenset({
    "resnet", "retinanet", "maskrcnn", "unet3d", "stable_diffusion",
    "resnet50", "3d-unet", "stable-diffusion-xl",
})  # fmt: skip
BENCHMARKS: Mapping[Workload, frozenset[str]] = {
    Workload.TRAINING: frozenset({"bert", "gpt3", "llama31_405b"}),
    Workload.FINE_TUNING: frozenset({"llama2_70b_lora"}),
    Workload.INFERENCE_PREFILL: frozenset({"bert", "gptj"}),
    Workload.INFERENCE_DECODE: frozenset({"llama2-70b", "mixtral-8x7b"}),
    Workload.VISION: IMAGE_BENCHMARKS,
    Workload.HPC_FP64: frozenset(),
}
SUITES: Mapping[Workload, frozenset[str]] = {
    Workload.TRAINING: frozenset({"MLPerf Training"}),
    Workload.FINE_TUNING: frozenset({"MLPerf Training"}),
    Workload.INFERENCE_PREFILL: frozenset({"MLPerf Inference"}),
    Workload.INFERENCE_DECODE: frozenset({"MLPerf Inference"}),
    Workload.VISION: frozenset({"MLPerf Training", "MLPerf Inference"}),
    Workload.HPC_FP64: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Roofline:
    """How a class is estimated from a data sheet.

    ``intensity`` is in operations per byte of memory traffic; ``None`` is the reference card's ridge.
    """

    precisions: tuple[Precision, ...]
    intensity: Decimal | None
    band: Decimal


TENSOR = (Precision.BF16, Precision.FP16)
ROOFLINES: Mapping[Workload, Roofline] = {
    Workload.TRAINING: Roofline(TENSOR, None, Decimal("0.40")),
    Workload.FINE_TUNING: Roofline(TENSOR, None, Decimal("0.30")),
    Workload.INFERENCE_PREFILL: Roofline(TENSOR, None, Decimal("0.24")),
    # A step of decoding reads every weight once for a whole batch: 64 sequences, 64 operations a byte.
    Workload.INFERENCE_DECODE: Roofline(TENSOR, Decimal(64), Decimal("0.65")),
    Workload.VISION: Roofline(TENSOR, None, Decimal("0.30")),
    Workload.HPC_FP64: Roofline((Precision.FP64,), None, Decimal("0.30")),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What one card of a model does in a class, nP, with the band in which the truth should lie."""

    model_slug: str
    workload: Workload
    rate: Decimal
    lower: Decimal
    upper: Decimal
    evidence_kind: str
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
    model: Accelerator, reference: Accelerator, workload: Workload, results: Iterable[BenchmarkResult]
) -> Profile | None:
    """The profile of one model in one class, or ``None`` where nothing is known."""
    if model.slug == reference.slug:
        return _reference_profile(workload)
    estimate = relative_by_data_sheet(model, reference, workload)
    evidence = [r for r in results if r.model == model.slug and _stands_for(r, workload)]
    plausible = sorted((r for r in evidence if _plausible(r, estimate)), key=_order)
    set_aside = sorted((r for r in evidence if not _plausible(r, estimate)), key=_order)
    if plausible:
        return _benchmark_profile(model, workload, plausible, set_aside)
    if estimate is not None:
        return _data_sheet_profile(model, reference, workload, estimate, set_aside)
    return None


def relative_by_data_sheet(model: Accelerator, reference: Accelerator, workload: Workload) -> Decimal | None:
    """Roofline estimate of throughput relative to the reference card; ``None`` if a fact is missing."""
    own, other = _ceiling(model, reference, workload), _ceiling(reference, reference, workload)
    return own / other if own is not None and other is not None else None


def _ceiling(model: Accelerator, reference: Accelerator, workload: Workload) -> Decimal | None:
    """TFLOPS that the class can reach: the compute peak, or what memory can feed."""
    roofline = ROOFLINES[workload]
    compute, bandwidth = model.peak(*roofline.precisions), model.memory_bandwidth_gb_s
    intensity = roofline.intensity or _ridge(reference, roofline)
    if compute is None or bandwidth is None or intensity is None:
        return None
    return min(compute, intensity * bandwidth / 1000)


def _ridge(reference: Accelerator, roofline: Roofline) -> Decimal | None:
    compute, bandwidth = reference.peak(*roofline.precisions), reference.memory_bandwidth_gb_s
    return compute * 1000 / bandwidth if compute and bandwidth else None


def _stands_for(result: BenchmarkResult, workload: Workload) -> bool:
    return (
        result.suite in SUITES[workload]
        and _benchmark(result) in BENCHMARKS[workload]
        and result.availability != "research"
    )


def _benchmark(result: BenchmarkResult) -> str:
    """The benchmark without its accuracy target: bert-99 and bert-99.9 are one."""
    return result.benchmark.removesuffix(".9").removesuffix("-99")


def _best(plausible: Sequence[BenchmarkResult]) -> dict[str, list[BenchmarkResult]]:
    """The best results of each benchmark: those of its first tier."""
    best: dict[str, list[BenchmarkResult]] = {}
    for benchmark, group in groupby(plausible, key=_benchmark):
        rows = list(group)
        best[benchmark] = [row for row in rows if _tier(row) == _tier(rows[0])]
    return best


def _plausible(result: BenchmarkResult, estimate: Decimal | None) -> bool:
    if estimate is None:
        return True
    return estimate / SET_ASIDE_FACTOR <= result.relative <= estimate * SET_ASIDE_FACTOR


def _tier(result: BenchmarkResult) -> tuple[bool, int]:
    return result.availability == "preview", BASES.index(result.basis) if result.basis else 0


def _order(result: BenchmarkResult) -> tuple[object, ...]:
    return (
        _benchmark(result),
        _tier(result),
        result.suite,
        result.round,
        result.scenario,
        result.benchmark,
        result.cards,
        result.relative,
    )


def _reference_profile(workload: Workload) -> Profile:
    evidence: dict[str, object] = {
        "summary": "The reference card: 0.989 nP in every class by definition.",
        "reference": REFERENCE_MODEL,
        "relative": "1.0000",
    }
    kind = "benchmark"
    return Profile(REFERENCE_MODEL, workload, REFERENCE_RATE, REFERENCE_RATE, REFERENCE_RATE, kind, evidence)


def _benchmark_profile(
    model: Accelerator,
    workload: Workload,
    plausible: Sequence[BenchmarkResult],
    set_aside: Sequence[BenchmarkResult],
) -> Profile:
    best = _best(plausible)
    used = [result for results in best.values() for result in results]
    relative = median(median(r.relative for r in results) for results in best.values())
    spread = sorted(result.relative for result in plausible)
    lower = min(percentile(spread, 10), relative * (1 - LEAST_BENCHMARK_BAND))
    upper = max(percentile(spread, 90), relative * (1 + LEAST_BENCHMARK_BAND))
    rounds = sorted({f"{result.suite} {result.round}" for result in used})
    summary = f"Median of {len(best)} benchmark(s), {len(used)} published result(s): {', '.join(rounds)}."
    evidence: dict[str, object] = {
        "summary": summary,
        "reference": REFERENCE_MODEL,
        "relative": _text(relative),
        "results": [_row(result) for result in used],
        "in_band_only": [_row(result) for result in plausible if result not in used],
        "set_aside": [_row(result) for result in set_aside],
    }
    return _profile(model, workload, (relative, lower, upper), "benchmark", evidence)


def _data_sheet_profile(
    model: Accelerator,
    reference: Accelerator,
    workload: Workload,
    relative: Decimal,
    set_aside: Sequence[BenchmarkResult],
) -> Profile:
    roofline = ROOFLINES[workload]
    compute, bandwidth = model.peak(*roofline.precisions), model.memory_bandwidth_gb_s
    intensity = roofline.intensity or _ridge(reference, roofline)
    evidence: dict[str, object] = {
        "summary": f"Estimated from the data sheet, ±{roofline.band:.0%}: no published result counts.",
        "reference": REFERENCE_MODEL,
        "relative": _text(relative),
        "peak_tflops": str(compute),
        "memory_bandwidth_gb_s": str(bandwidth),
        "operations_per_byte": _text(intensity) if intensity is not None else None,
        "source": model.source,
        "confidence": model.confidence,
        "set_aside": [_row(result) for result in set_aside],
    }
    band = (relative, relative * (1 - roofline.band), relative * (1 + roofline.band))
    return _profile(model, workload, band, "datasheet", evidence)


def _profile(
    model: Accelerator,
    workload: Workload,
    band: tuple[Decimal, Decimal, Decimal],
    kind: str,
    evidence: dict[str, object],
) -> Profile:
    rate, lower, upper = (_places(REFERENCE_RATE * relative) for relative in band)
    return Profile(model.slug, workload, rate, lower, upper, kind, evidence)


def percentile(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """Percentile of an ordered sequence, linear between neighbours."""
    position = Decimal(len(ordered) - 1) * percent / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


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


def _places(value: Decimal) -> Decimal:
    return value.quantize(PLACES, ROUND_HALF_EVEN)
