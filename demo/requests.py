"""Requests made of the trace's jobs.

A buyer does not come to an exchange for one job of a minute: a request stands for a bundle of jobs that
follow each other in the trace. Its cards are the bundle's cards, its duration is the longest job of the
bundle, rounded up to hours and capped at three days. The cluster's service class says what kind of work
it is: latency-sensitive jobs infer, best-effort jobs train, tune, see or simulate. Bundles
begin all over the trace, by a stride that comes to every job before it comes to one again; what is drawn
(size of the bundle, wishes, limit) is drawn anew each time. How many requests enter in an hour of the day
follows the arrivals of the trace, folded into a day.

Most buyers say how much work they need and not which chip does it. The amount in nP is what the bundle's
cards would do if they were of some model of the market's inventory, the *yardstick model*, drawn by
cards; the limit is drawn around the price published for that work.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from demo.draw import between, chance, pick
from demo.pricing import PriceList, money
from demo.specs import AlternativeSpec, OrganisationSpec, RequestSpec
from demo.trace import Job
from demo.wishes import Wishes, wishes
from marketplace.engine.snapshot import Unit, Workload

FIRST_HOUR_REQUESTS = 260
LEAST_AN_HOUR = 40
MOST_AN_HOUR = 60
TRACE_UTC_OFFSET = 8
"""The trace's second 0 is read as midnight in China."""

STRIDE = 2617
BUNDLE = {1: 22, 2: 16, 4: 20, 8: 20, 16: 14, 32: 6, 64: 2}
MOST_HOURS = 72

INFERENCE = {Workload.INFERENCE_DECODE: 55, Workload.INFERENCE_PREFILL: 35, Workload.VISION: 10}
BATCH = {Workload.TRAINING: 38, Workload.FINE_TUNING: 32, Workload.VISION: 20, Workload.HPC_FP64: 10}

SHAPES = {"np": 52, "either": 20, "cards": 16, "model": 12}
"""Amount in nP; two exclusive alternatives by model; cards of any model; cards of one model."""

LIMIT_OF_PUBLISHED = ("0.30", "1.25", "0.72")
"""Least, most and likeliest limit as a share of the published price. Asks lie around 0.7 of it."""

TITLES = {
    Workload.TRAINING: ("Pre-training", "预训练"),
    Workload.FINE_TUNING: ("Fine-tuning", "微调"),
    Workload.INFERENCE_PREFILL: ("Inference, long prompts", "推理（长提示词）"),
    Workload.INFERENCE_DECODE: ("Inference, chat", "推理（对话）"),
    Workload.VISION: ("Vision", "视觉"),
    Workload.HPC_FP64: ("Simulation", "仿真"),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a request stands for."""

    cards: int
    hours: int
    workload: Workload


@dataclass(frozen=True, slots=True)
class Demand:
    """Makes the requests of any hour of the market, the same ones each time."""

    buyers: tuple[OrganisationSpec, ...]
    jobs: tuple[Job, ...]
    inventory: Mapping[bool, Mapping[str, int]]
    prices: PriceList
    start_hour_utc: int

    def entering(self, hour: int) -> Iterator[RequestSpec]:
        """Requests that enter in the given hour after the market's start."""
        first = self.entered_before(hour)
        for number in range(first, first + self.count(hour)):
            yield self.request(number, hour)

    def count(self, hour: int) -> int:
        """A busy first hour, then 40 to 60 an hour, by the hour of day in which the trace's jobs came."""
        if hour == 0:
            return FIRST_HOUR_REQUESTS
        arrivals = _arrivals_by_hour(self.jobs)
        local = (self.start_hour_utc + TRACE_UTC_OFFSET + hour) % 24
        above, spread = arrivals[local] - min(arrivals), max(arrivals) - min(arrivals)
        return LEAST_AN_HOUR + (MOST_AN_HOUR - LEAST_AN_HOUR) * above // spread

    def entered_before(self, hour: int) -> int:
        days, rest = divmod(max(hour - 1, 0), 24)
        a_day = sum(self.count(of_day) for of_day in range(1, 25)) if days else 0
        begun = sum(self.count(of_day) for of_day in range(1, 1 + rest))
        return (FIRST_HOUR_REQUESTS if hour > 0 else 0) + days * a_day + begun

    def request(self, number: int, hour: int) -> RequestSpec:
        rng = chance("request", number)
        buyer = rng.choice(self.buyers)
        bundle = self._bundle(rng, number)
        shape = pick(rng, SHAPES)
        wished = wishes(rng, buyer, bundle.workload, bundle.cards)
        alternatives = self._alternatives(rng, shape, buyer, bundle, wished)
        return RequestSpec(
            reference=f"D{number + 1:06}",
            title=TITLES[bundle.workload][buyer.jurisdiction == "CN"],
            buyer=buyer.slug,
            currency=buyer.currency,
            enter_after_hours=hour,
            least=wished.least,
            alternatives=alternatives,
        )

    def _bundle(self, rng: random.Random, number: int) -> Bundle:
        first, size = number * STRIDE, pick(rng, BUNDLE)
        jobs = [self.jobs[(first + place) % len(self.jobs)] for place in range(size)]
        longest = max(job.duration_s for job in jobs)
        kinds = BATCH if jobs[0].qos == "BE" else INFERENCE
        hours = min(max(-(-longest // 3600), 1), MOST_HOURS)
        return Bundle(sum(job.cards for job in jobs), hours, pick(rng, kinds))

    def _alternatives(
        self, rng: random.Random, shape: str, buyer: OrganisationSpec, bundle: Bundle, wished: Wishes
    ) -> tuple[AlternativeSpec, ...]:
        yardstick = self._yardstick(rng, buyer, bundle.workload)
        published = self.prices.of(yardstick, buyer.currency)
        limit = published * between(rng, *LIMIT_OF_PUBLISHED)
        cards = wished.whole_nodes(bundle.cards)
        one = wished.without_chip_facts() if shape in {"model", "either"} else wished
        if shape == "np":
            rate = self.prices.rates[yardstick, bundle.workload]
            return (_alternative(bundle, wished, Unit.NP, rate * cards, limit / rate, ()),)
        if shape == "cards":
            return (_alternative(bundle, wished, Unit.CARDS, Decimal(cards), limit, ()),)
        first = _alternative(bundle, one, Unit.CARDS, Decimal(cards), limit, (yardstick,))
        other = self._other(rng, yardstick, buyer, bundle.workload) if shape == "either" else None
        if other is None:
            return (first,)
        needed = self._as_many(yardstick, other, bundle.workload, cards, one)
        same_value = limit * cards / needed
        return first, _alternative(bundle, one, Unit.CARDS, Decimal(needed), same_value, (other,))

    def _as_many(self, model: str, other: str, workload: Workload, cards: int, wished: Wishes) -> int:
        """Cards of another model that do the same work."""
        work = self.prices.rates[model, workload] * cards
        needed = (work / self.prices.rates[other, workload]).to_integral_value(ROUND_CEILING)
        return wished.whole_nodes(int(needed))

    def _yardstick(self, rng: random.Random, buyer: OrganisationSpec, workload: Workload) -> str:
        return pick(rng, self._with_profile(buyer, workload))

    def _other(
        self, rng: random.Random, model: str, buyer: OrganisationSpec, workload: Workload
    ) -> str | None:
        """Another model of the inventory whose cards do between a quarter and four times the work."""
        rate = self.prices.rates[model, workload]
        alike = {
            other: cards
            for other, cards in self._with_profile(buyer, workload).items()
            if other != model and rate / 4 <= self.prices.rates[other, workload] <= rate * 4
        }
        return pick(rng, alike) if alike else None

    def _with_profile(self, buyer: OrganisationSpec, workload: Workload) -> dict[str, int]:
        inventory = self.inventory[buyer.jurisdiction == "CN"]
        return {model: cards for model, cards in inventory.items() if self.prices.rate(model, workload)}


def _alternative(
    bundle: Bundle, wished: Wishes, unit: Unit, amount: Decimal, limit: Decimal, models: tuple[str, ...]
) -> AlternativeSpec:
    return AlternativeSpec(
        unit=unit,
        amount=amount.quantize(Decimal("0.01"), ROUND_CEILING) if unit is Unit.NP else amount,
        limit=money(limit),
        workload=bundle.workload,
        models=models,
        careful=wished.careful and unit is Unit.NP,
        gang=wished.gang,
        precision=wished.precision,
        memory_gb=wished.memory_gb,
        earliest_in_hours=wished.wait_hours,
        duration_hours=bundle.hours,
        deadline_in_hours=wished.wait_hours + bundle.hours + wished.slack_hours,
        latency=wished.latency,
        bandwidth_mbps=wished.bandwidth_mbps,
        jurisdictions=wished.jurisdictions,
        stacks=wished.stacks,
        renewable_share=wished.renewable_share,
        carbon=wished.carbon,
        verification=wished.verification,
        notice_minutes=wished.notice_minutes,
    )


def _arrivals_by_hour(jobs: Sequence[Job]) -> tuple[int, ...]:
    arrivals = [0] * 24
    for job in jobs:
        arrivals[job.arrival_s // 3600 % 24] += 1
    return tuple(arrivals)
