"""Throughput of whole systems in further MLPerf Inference rounds, as published, made comparable.

A result is divided by the median of the reference card's results of the same benchmark, round and
scenario, per card. A round without the reference card is chained through the H200: a result relative to
the H200 of that round, times what the H200 does relative to the reference card in the round where both
ran. The H200 of a chained round says nothing of itself then, and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median

REFERENCE_MODEL = "h100-sxm"
BRIDGE_MODEL = "h200-sxm"
SAME_ROUND, CHAINED = "", "chained_h200"
RELATIVE_PLACES = Decimal("0.0001")

Task = tuple[str, str, str]  # benchmark, round, scenario
PerCard = Mapping[Task, Decimal]


@dataclass(frozen=True, slots=True)
class Submission:
    """Samples, queries or tokens a second of a system of ``cards`` cards of one model."""

    benchmark: str
    round: str
    scenario: str
    model: str
    cards: int
    availability: str
    throughput: Decimal
    submitter: str
    system: str

    @property
    def task(self) -> Task:
        return self.benchmark, self.round, self.scenario

    @property
    def per_card(self) -> Decimal:
        return self.throughput / self.cards


def compare(
    submissions: Iterable[Submission], bridge: Mapping[tuple[str, str], Decimal]
) -> Iterator[tuple[Submission, str, Decimal]]:
    """Each submission with its basis and its throughput per card relative to the reference card.

    ``bridge`` is what the H200 does relative to the reference card, by benchmark and scenario. Raises
    LookupError for a submission that nothing in its round can be compared with.
    """
    all_of_them = list(submissions)
    references, bridges = _per_card(REFERENCE_MODEL, all_of_them), _per_card(BRIDGE_MODEL, all_of_them)
    for one in all_of_them:
        if one.model == REFERENCE_MODEL:
            continue
        if one.task in references:
            yield one, SAME_ROUND, _rounded(one.per_card / references[one.task])
        elif one.model != BRIDGE_MODEL:
            yield one, CHAINED, _rounded(_chained(one, bridges, bridge))


def _per_card(model: str, submissions: Iterable[Submission]) -> PerCard:
    found: dict[Task, list[Decimal]] = defaultdict(list)
    for one in submissions:
        if one.model == model:
            found[one.task].append(one.per_card)
    return {task: median(throughputs) for task, throughputs in found.items()}


def _chained(one: Submission, bridges: PerCard, bridge: Mapping[tuple[str, str], Decimal]) -> Decimal:
    known = bridge.get((one.benchmark, one.scenario))
    if one.task not in bridges or known is None:
        raise LookupError(
            f"{one.benchmark} {one.scenario} of {one.model} in {one.round}: "
            f"neither {REFERENCE_MODEL} nor {BRIDGE_MODEL} to compare it with"
        )
    return one.per_card / bridges[one.task] * known


def _rounded(relative: Decimal) -> Decimal:
    return relative.quantize(RELATIVE_PLACES, ROUND_HALF_EVEN)
