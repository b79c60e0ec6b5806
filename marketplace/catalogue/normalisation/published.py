"""Which published results say what a card does in a class of work, and what they say together.

A benchmark counts once, with the median of its best results: those generally available before previews,
and among them those whose reference used the same number of cards before a near number, before one
chained through the H200. The band holds the 10th to 90th percentile of all results that count, and at
least ±10 %: of results in rounds that were hidden, nine in ten lay above its lower end. Research entries
never count. A result more than ``SET_ASIDE_FACTOR`` away from the bare roofline says how well software
was tuned, not what the card can do: it is set aside and listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from statistics import median

from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult
from marketplace.catalogue.normalisation.classes import BENCHMARKS, SUITES
from marketplace.catalogue.normalisation.roofline import relative_by_roofline
from marketplace.engine.snapshot import Workload

SET_ASIDE_FACTOR = Decimal(3)
LEAST_BAND = Decimal("0.10")
BASES = ("same_n", "near_n", "chained_h200", "chained_h200_near_n")

Tier = tuple[bool, int]


def stands_for(result: BenchmarkResult, workload: Workload) -> bool:
    return (
        result.suite in SUITES[workload]
        and benchmark_of(result) in BENCHMARKS[workload]
        and result.availability != "research"
    )


def benchmark_of(result: BenchmarkResult) -> str:
    """The benchmark without its accuracy target: bert-99 and bert-99.9 are one."""
    return result.benchmark.removesuffix(".9").removesuffix("-99")


def sifted(
    model: Accelerator, reference: Accelerator, workload: Workload, results: Iterable[BenchmarkResult]
) -> tuple[list[BenchmarkResult], list[BenchmarkResult]]:
    """The model's results that count in a class, best first within a benchmark, and those set aside."""
    roofline = relative_by_roofline(model, reference, workload)
    own = sorted((r for r in results if r.model == model.slug and stands_for(r, workload)), key=_order)
    plausible = [result for result in own if _plausible(result, roofline)]
    return plausible, [result for result in own if result not in plausible]


def best(plausible: Sequence[BenchmarkResult]) -> dict[str, list[BenchmarkResult]]:
    """The best results of each benchmark: those of its first tier. Takes results in ``sifted`` order."""
    found: dict[str, list[BenchmarkResult]] = {}
    for benchmark, group in groupby(plausible, key=benchmark_of):
        rows = list(group)
        found[benchmark] = [row for row in rows if tier(row) == tier(rows[0])]
    return found


def level(plausible: Sequence[BenchmarkResult]) -> Decimal:
    """What the results say together: the median over benchmarks of the median of each one's best."""
    return median(median(r.relative for r in results) for results in best(plausible).values())


def band_of(plausible: Sequence[BenchmarkResult]) -> tuple[Decimal, Decimal]:
    """Between which ratios to the reference card the truth should lie."""
    middle = level(plausible)
    ordered = sorted(result.relative for result in plausible)
    lower = min(percentile(ordered, 10), middle * (1 - LEAST_BAND))
    upper = max(percentile(ordered, 90), middle * (1 + LEAST_BAND))
    return lower, upper


def percentile(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """Percentile of an ordered sequence, linear between neighbours."""
    position = Decimal(len(ordered) - 1) * percent / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def tier(result: BenchmarkResult) -> Tier:
    return is_preview(result), BASES.index(result.basis) if result.basis else 0


def is_preview(result: BenchmarkResult) -> bool:
    return result.availability == "preview"


def _plausible(result: BenchmarkResult, roofline: Decimal | None) -> bool:
    if roofline is None:
        return True
    return roofline / SET_ASIDE_FACTOR <= result.relative <= roofline * SET_ASIDE_FACTOR


def _order(result: BenchmarkResult) -> tuple[object, ...]:
    return (
        benchmark_of(result),
        tier(result),
        result.suite,
        result.round,
        result.scenario,
        result.benchmark,
        result.cards,
        result.relative,
    )
