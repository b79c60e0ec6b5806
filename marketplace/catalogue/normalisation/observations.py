"""Published results as the observations that the calibration is fitted to, and as the truth it is held to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from marketplace.catalogue.data.rounds import REFERENCE_MODEL
from marketplace.catalogue.data.tables import Accelerator, BenchmarkResult
from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.features import features_of, typical_of
from marketplace.catalogue.normalisation.hierarchy import Card, Cell, Design, Scales
from marketplace.catalogue.normalisation.published import benchmark_of, is_preview, level, sifted, tier
from marketplace.engine.snapshot import Workload

# How far apart two fair comparisons of the same cards lie, as a standard deviation of logarithms.
SPREAD_OF_BASIS: Mapping[str, float] = {
    "": 0.05,
    "same_n": 0.08,
    "near_n": 0.15,
    "chained_h200": 0.12,
    "chained_h200_near_n": 0.20,
}
SPREAD_OF_PREVIEW = 0.10
USUAL = Scales()


@dataclass(frozen=True, slots=True)
class Study:
    """The published results of every class, card by card, ready to fit and to hold out."""

    cards: Mapping[str, Card]
    results: Mapping[tuple[str, Workload], Sequence[BenchmarkResult]]
    design: Design

    def truth(self, slug: str, workload: Workload, round_: str | None = None) -> float:
        """Logarithm of what the results (of one round) say together."""
        results = self.results[slug, workload]
        return math.log(level([r for r in results if round_ in (None, round_of(r))]))


def study_of(
    accelerators: Iterable[Accelerator],
    architectures: Mapping[str, str],
    results: Iterable[BenchmarkResult],
    scales: Scales = USUAL,
) -> Study:
    """Raises LookupError for a card whose architecture nobody has stated."""
    models = {model.slug: model for model in accelerators}
    reference = models[REFERENCE_MODEL]
    cards = cards_of(models.values(), reference, architectures)
    published = list(results)
    counted = {
        (slug, workload): plausible
        for slug in cards
        if slug != REFERENCE_MODEL
        for workload in BENCHMARKED
        if (plausible := sifted(models[slug], reference, workload, published)[0])
    }
    cells = [
        cell
        for (slug, workload), plausible in counted.items()
        for cell in _cells(cards[slug], workload, plausible)
    ]
    return Study(cards, counted, Design(cells, cards[REFERENCE_MODEL], scales))


def cards_of(
    accelerators: Iterable[Accelerator], reference: Accelerator, architectures: Mapping[str, str]
) -> dict[str, Card]:
    """The cards whose data sheet says enough, by slug."""
    models = list(accelerators)
    typical = typical_of(models, reference)
    found = {}
    for model in models:
        features = features_of(model, reference, typical)
        if features is not None:
            values = tuple(float(value) for value in features.values)
            found[model.slug] = Card(model.slug, model.vendor, architectures[model.slug], values)
    return found


def round_of(result: BenchmarkResult) -> str:
    return f"{result.suite} {result.round}"


def _cells(card: Card, workload: Workload, plausible: Sequence[BenchmarkResult]) -> Iterable[Cell]:
    together: dict[tuple[str, str], list[BenchmarkResult]] = defaultdict(list)
    for result in plausible:
        together[f"{result.suite} {benchmark_of(result)}", round_of(result)].append(result)
    for (benchmark, round_), results in together.items():
        first = min(tier(result) for result in results)
        best = [result for result in results if tier(result) == first]
        observed = math.log(median(result.relative for result in best))
        yield Cell(card, workload, benchmark, round_, observed, _spread(best))


def _spread(alike: Sequence[BenchmarkResult]) -> float:
    """Several comparisons average out; that a card was not for sale yet does not."""
    preview = SPREAD_OF_PREVIEW if is_preview(alike[0]) else 0.0
    return math.hypot(SPREAD_OF_BASIS[alike[0].basis] / math.sqrt(len(alike)), preview)
