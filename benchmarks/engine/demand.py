"""Requests of a generated market, made of the trace's jobs and the published prices.

A request stands for jobs that follow each other in the trace: its duration is the longest of them, its
cards are their cards together. Jobs that ran for months are cut to the longest request of the instance.
The trace knows no gangs of many nodes, so a gang's cards are drawn: 8 to 256, by powers of two.
A limit is what a buyer pays elsewhere (a price from the published list's spread), times its hurry.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.engine.calibration import Calibration
from benchmarks.engine.instances import Regime, Size
from demo.draw import chance, pick
from demo.mapping import ABROAD, CHINA
from demo.wishes import EUROPE
from marketplace.catalogue.data.tables import Region
from marketplace.engine import MICRO, Alternative, LatencyLimit, Precision, Request, Unit, Workload

BUYERS_PER_REQUEST = 0.1
CHINESE_BUYERS = 0.7
WORKLOADS = {
    Workload.TRAINING: 26,
    Workload.FINE_TUNING: 20,
    Workload.INFERENCE_DECODE: 22,
    Workload.INFERENCE_PREFILL: 14,
    Workload.VISION: 10,
    Workload.HPC_FP64: 8,
}
BATCH = frozenset({Workload.TRAINING, Workload.FINE_TUNING, Workload.HPC_FP64})
INFERENCE = frozenset({Workload.INFERENCE_DECODE, Workload.INFERENCE_PREFILL})
GANG_SHARE = {True: 0.6, False: 0.2}
"""Of batch work, and of the rest."""

GANG_CARDS = {8: 40, 16: 24, 32: 16, 64: 11, 128: 6, 256: 3}
GANG_JOBS = 64
JOBS = {1: 15, 4: 20, 8: 25, 16: 20, 32: 20}
LEAST_PERCENT = {100: 50, 75: 15, 50: 25, 25: 10}
SHAPES = {"np": 45, "either": 20, "model": 20, "cards": 15}
"""An amount in nP; one of two models; one model; cards of any model."""

HURRY = (0.50, 1.10, 0.80)
"""Least, most and likeliest share that a buyer would pay of the price it sees elsewhere."""

AT_ONCE = 0.4
SLACK_PERCENT = {0: 15, 25: 20, 50: 20, 100: 25, 300: 20}
"""How long a request may wait, in per cent of its duration."""

MEMORY_GB = {16: 40, 32: 30, 64: 20, 80: 10}
ROUND_TRIP_MS = {10: 10, 20: 25, 30: 25, 50: 25, 80: 15}
STACKS: Mapping[tuple[str, ...], int] = {("cuda",): 45, ("cuda", "rocm"): 30, ("cann",): 25}


@dataclass(frozen=True, slots=True)
class _Job:
    """What a request stands for."""

    workload: Workload
    cards: int
    hours: int
    gang: bool
    buyer: Region
    currency: str


def requests(known: Calibration, size: Size, regime: Regime, label: str) -> tuple[Request, ...]:
    shapes = {"np": 1} if regime is Regime.NP_ONLY else SHAPES
    return tuple(
        _request(known, size, shapes, number, chance(label, "request", number))
        for number in range(1, size.requests + 1)
    )


def _request(
    known: Calibration, size: Size, shapes: Mapping[str, int], number: int, rng: random.Random
) -> Request:
    job = _job(known, size, rng)
    return Request(
        id=number,
        buyer=rng.randint(1, max(1, int(size.requests * BUYERS_PER_REQUEST))),
        currency=job.currency,
        least=MICRO if job.gang else pick(rng, LEAST_PERCENT) * MICRO // 100,
        entered=number,
        alternatives=_alternatives(known, size, pick(rng, shapes), job, rng),
    )


def _job(known: Calibration, size: Size, rng: random.Random) -> _Job:
    workload = pick(rng, WORKLOADS)
    gang = rng.random() < GANG_SHARE[workload in BATCH]
    count = (GANG_JOBS if gang else pick(rng, JOBS)) * size.jobs
    first = rng.randrange(len(known.jobs))
    jobs = [known.jobs[(first + place) % len(known.jobs)] for place in range(count)]
    hours = -(-max(job.duration_s for job in jobs) // 3600)
    buyer = _buyer(known, rng)
    return _Job(
        workload=workload,
        cards=pick(rng, GANG_CARDS) if gang else sum(job.cards for job in jobs),
        hours=min(max(hours, 1), size.longest),
        gang=gang,
        buyer=buyer,
        currency=known.zones[buyer.zone].currency,
    )


def _buyer(known: Calibration, rng: random.Random) -> Region:
    chinese = rng.random() < CHINESE_BUYERS
    cities = [
        region
        for region in known.places.values()
        if region.kind in {"demand", "both"} and (region.jurisdiction == "CN") == chinese
    ]
    return rng.choice(cities)


def _alternatives(
    known: Calibration, size: Size, shape: str, job: _Job, rng: random.Random
) -> tuple[Alternative, ...]:
    yardstick = _model(known, job, rng)
    price = known.published(yardstick, job.currency) * rng.choice(known.price_spread)
    price *= rng.triangular(*HURRY)
    one = _wished(size, job, rng, named=shape in {"model", "either"})
    one = replace(one, amount=job.cards, limit=round(price * MICRO))
    if shape == "np":
        return (_in_np(one, _rate(known, yardstick, job), job.cards, price),)
    if shape == "cards":
        return (one,)
    first = replace(one, models=(yardstick,))
    other = _model(known, job, rng) if shape == "either" else yardstick
    if other == yardstick:
        return (first,)
    return first, _as_good(known, first, other, job)


def _model(known: Calibration, job: _Job, rng: random.Random) -> str:
    """A model of the buyer's part of the world that is known to do the work, by cards."""
    kinds = known.kinds[CHINA if job.buyer.jurisdiction == "CN" else ABROAD]
    able = {kind.model: 0 for kind in kinds if known.rate(kind.model, job.workload)}
    for kind, cards in kinds.items():
        if kind.model in able:
            able[kind.model] += cards
    return pick(rng, able)


def _rate(known: Calibration, model: str, job: _Job) -> int:
    rate = known.rate(model, job.workload)
    if rate is None:
        raise LookupError(f"{model} has no rate in {job.workload}")
    return rate


def _in_np(one: Alternative, rate: int, cards: int, price: float) -> Alternative:
    """The work of so many cards at ``rate``, for the same money."""
    return replace(one, unit=Unit.NP, amount=rate * cards, limit=round(price * MICRO * MICRO / rate))


def _as_good(known: Calibration, first: Alternative, other: str, job: _Job) -> Alternative:
    """As many cards of another model as do the same work, for the same money in all."""
    work = _rate(known, first.models[0], job) * first.amount
    cards = -(-work // _rate(known, other, job))
    cards = -(-cards // 8) * 8 if job.gang else cards
    limit = first.limit * first.amount // cards
    return replace(first, position=1, models=(other,), amount=cards, limit=limit)


def _wished(size: Size, job: _Job, rng: random.Random, *, named: bool) -> Alternative:
    """Window and constraints; who names a model says nothing else about the chip."""
    earliest = 0 if rng.random() < AT_ONCE else rng.randint(0, size.slots - job.hours)
    slack = job.hours * pick(rng, SLACK_PERCENT) // 100
    return Alternative(
        position=0,
        unit=Unit.CARDS,
        amount=1,
        limit=0,
        workload=job.workload,
        models=(),
        careful=rng.random() < 0.1,
        gangs=1 if job.gang else 0,
        divisible=False,
        interruptible=False,
        precision=None if named else _precision(rng, job.workload),
        memory=None if named or rng.random() > 0.25 else pick(rng, MEMORY_GB) * 1024,
        earliest=earliest,
        duration=job.hours,
        deadline=min(earliest + job.hours + slack, size.slots),
        latency=_latency(rng, job),
        bandwidth=10_000 if rng.random() < 0.15 else None,
        jurisdictions=_jurisdictions(rng, job.buyer.jurisdiction),
        stacks=() if named or rng.random() > 0.15 else pick(rng, STACKS),
        renewable_share=rng.choice((300_000, 500_000)) if rng.random() < 0.08 else None,
        carbon=rng.choice((500_000, 600_000)) if rng.random() < 0.06 else None,
        verification=rng.choice((1, 2)) if rng.random() < 0.25 else None,
        notice=rng.choice((30, 60)) if rng.random() < 0.12 else None,
    )


def _precision(rng: random.Random, workload: Workload) -> Precision | None:
    if workload is Workload.HPC_FP64:
        return Precision.FP64
    return rng.choice((Precision.BF16, Precision.FP16)) if rng.random() < 0.3 else None


def _latency(rng: random.Random, job: _Job) -> LatencyLimit | None:
    if job.workload not in INFERENCE or rng.random() > 0.4:
        return None
    return LatencyLimit(job.buyer.slug, pick(rng, ROUND_TRIP_MS) * 1000)


def _jurisdictions(rng: random.Random, home: str) -> tuple[str, ...]:
    if home == "CN":
        return ("CN",) if rng.random() < 0.7 else ()
    return EUROPE if home in EUROPE and rng.random() < 0.7 else ()
