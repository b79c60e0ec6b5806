"""What a request asks for beside its amount: where, how near, how green, on what stack, by when."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from demo.draw import pick
from demo.specs import LatencySpec, OrganisationSpec
from marketplace.engine.snapshot import Precision, Workload

EUROPE = ("EU", "EEA", "UK", "CH")
INFERENCE = frozenset({Workload.INFERENCE_DECODE, Workload.INFERENCE_PREFILL})
NODE = 8

ROUND_TRIP_MS = {10: 10, 20: 25, 30: 25, 50: 25, 80: 15}
STACKS: Mapping[tuple[str, ...], int] = {
    ("cuda",): 40,
    ("cuda", "rocm"): 25,
    ("cann",): 15,
    ("cann", "neuware", "dtk", "musa", "corex", "maca", "kunlun-xre"): 20,
}
PRECISIONS = {Precision.BF16: 45, Precision.FP16: 45, Precision.FP8: 4, Precision.INT8: 6}
MEMORY_GB = {16: 30, 24: 20, 32: 20, 48: 10, 64: 12, 80: 8}
LEAST = {"1": 50, "0.75": 10, "0.5": 25, "0.25": 15}
SLACK_HOURS = {0: 10, 2: 15, 6: 20, 12: 25, 24: 20, 48: 10}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The constraints of a request; ``None`` and empty tuples where it has none."""

    least: Decimal
    gang: bool
    careful: bool
    precision: Precision | None
    memory_gb: int | None
    wait_hours: int
    slack_hours: int
    latency: LatencySpec | None
    bandwidth_mbps: int | None
    jurisdictions: tuple[str, ...]
    stacks: tuple[str, ...]
    renewable_share: Decimal | None
    carbon: Decimal | None
    verification: int | None
    notice_minutes: int | None

    def whole_nodes(self, cards: int) -> int:
        """A gang of more than one node's cards asks for whole nodes."""
        return -(-cards // NODE) * NODE if self.gang and cards > NODE else cards

    def without_chip_facts(self) -> Wishes:
        """Who names a model has said all about the chip already."""
        return replace(self, precision=None, memory_gb=None, stacks=())


def wishes(rng: random.Random, buyer: OrganisationSpec, workload: Workload, cards: int) -> Wishes:
    gang = rng.random() < _gang_share(workload, cards)
    least = Decimal(1) if gang else Decimal(pick(rng, LEAST))
    return Wishes(
        least=least,
        gang=gang,
        careful=rng.random() < 0.12,
        precision=_precision(rng, workload),
        memory_gb=pick(rng, MEMORY_GB) if rng.random() < 0.3 else None,
        wait_hours=rng.choice((0, 0, 0, 1, 4, 12)),
        slack_hours=pick(rng, SLACK_HOURS),
        latency=_latency(rng, buyer, workload),
        bandwidth_mbps=rng.choice((10_000, 40_000)) if rng.random() < 0.15 else None,
        jurisdictions=_jurisdictions(rng, buyer),
        stacks=pick(rng, STACKS) if rng.random() < 0.2 else (),
        renewable_share=Decimal(rng.choice(("0.3", "0.5"))) if rng.random() < 0.08 else None,
        carbon=Decimal(rng.choice((300, 500, 600))) if rng.random() < 0.06 else None,
        verification=rng.choice((1, 1, 2)) if rng.random() < 0.25 else None,
        notice_minutes=rng.choice((15, 30, 60)) if rng.random() < 0.12 else None,
    )


def _gang_share(workload: Workload, cards: int) -> float:
    if cards < 2:
        return 0.0
    return 0.6 if workload in {Workload.TRAINING, Workload.FINE_TUNING, Workload.HPC_FP64} else 0.1


def _precision(rng: random.Random, workload: Workload) -> Precision | None:
    if workload is Workload.HPC_FP64:
        return Precision.FP64
    return pick(rng, PRECISIONS) if rng.random() < 0.35 else None


def _latency(rng: random.Random, buyer: OrganisationSpec, workload: Workload) -> LatencySpec | None:
    if workload not in INFERENCE or rng.random() > 0.45:
        return None
    return LatencySpec(buyer.region, pick(rng, ROUND_TRIP_MS))


def _jurisdictions(rng: random.Random, buyer: OrganisationSpec) -> tuple[str, ...]:
    """Three in four buyers keep their data at home or among neighbours; it is law for many."""
    if rng.random() > 0.75:
        return ()
    if buyer.jurisdiction in EUROPE:
        return EUROPE
    return ("CN",) if buyer.jurisdiction == "CN" else ()
