"""Acceptance: what a site must show before its cards count as delivered, check by check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings

from accounts import audit
from accounts.actors import Actor
from marketplace.catalogue.models import AcceleratorModel, WorkloadClass
from marketplace.delivery.models import AcceptanceTest, Delivery
from marketplace.errors import DomainError, InvalidInput

FIELDS: Mapping[str, tuple[type, ...]] = {
    "cards_visible": (int,),
    "model": (str,),
    "memory_gb": (int, float, str),
    "passed": (bool,),
}
FIGURES = ("compute_tflops", "bandwidth_gb_s")


class AcceptanceFailed(DomainError):
    code = "acceptance_failed"
    title = "The cards do not pass acceptance"


@dataclass(frozen=True, slots=True)
class Check:
    """``sold`` and ``measured`` are for people to read; a figure that nobody measured is no check."""

    name: str
    sold: str
    measured: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.measured}, sold {self.sold}."


def check_acceptance(delivery: Delivery, report: Mapping[str, Any]) -> dict[str, Any]:
    """The acceptance in an agent's report, which passes.

    Raises ``InvalidInput`` where it is incomplete, ``AcceptanceFailed`` where it shows less than what
    was sold. The delivery stays where it is: the agent tries again, or reports that it failed.
    """
    shown = _shown(report)
    failed = [check for check in checks_of(delivery, shown) if not check.passed]
    if failed:
        told = " ".join(map(str, failed))
        raise AcceptanceFailed(f"{delivery}: {told} Repeat the test, or report “failed”.")
    return {name: shown[name] for name in (*FIELDS, "probe") if name in shown}


def keep_test(delivery: Delivery, report: Mapping[str, Any], *, at: datetime) -> AcceptanceTest | None:
    """The evidence of a test that an agent reported, passed or not; nothing where it reported none."""
    if "acceptance" not in report:
        return None
    shown = _shown(report)
    checks = list(checks_of(delivery, shown))
    evidence = report.get("evidence")
    return AcceptanceTest.objects.create(
        delivery=delivery,
        at=at,
        passed=all(check.passed for check in checks),
        checks=[asdict(check) for check in checks],
        probe=shown.get("probe", {}),
        evidence=evidence if isinstance(evidence, dict) else {},
    )


def record_test(test: AcceptanceTest, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action="delivery.tested",
        target=test.delivery,
        now=now,
        organisation=test.delivery.site.owner_id,
        data={"at": test.at.isoformat(), "passed": test.passed, "checks": test.checks},
    )


def checks_of(delivery: Delivery, shown: Mapping[str, Any]) -> Iterator[Check]:
    """Each thing that was sold and measured, in a fixed order."""
    sold, model = delivery.agreement.cards, delivery.agreement.allocation.offer.fleet.model
    cards, memory = shown["cards_visible"], _decimal(shown["memory_gb"]) or Decimal(0)
    yield Check("cards", str(sold), str(cards), cards >= sold)
    yield Check("model", model.slug, shown["model"], shown["model"] == model.slug)
    if model.memory_gb is not None:
        enough = memory >= model.memory_gb * settings.ACCEPTANCE_LEAST_MEMORY
        yield Check("memory", f"{model.memory_gb} GB", f"{shown['memory_gb']} GB", enough)
    yield from _figures(model, shown.get("probe", {}))
    if not shown["passed"]:
        yield Check("test of the site", "passed", "not passed", passed=False)


def _figures(model: AcceleratorModel, probe: Mapping[str, Any]) -> Iterator[Check]:
    """Of the slowest card, against a share of the data sheet: a short probe does not reach all of it."""
    peak = _decimal(model.peak_tflops.get(probe.get("precision", "")))
    compute, bandwidth = (_decimal(probe.get(name)) for name in FIGURES)
    if compute is not None and peak is not None:
        least = peak * settings.ACCEPTANCE_LEAST_COMPUTE
        yield Check("compute", f"at least {least:f} TFLOPS", f"{compute} TFLOPS", compute >= least)
    if bandwidth is not None and model.memory_bandwidth_gb_s is not None:
        least = model.memory_bandwidth_gb_s * settings.ACCEPTANCE_LEAST_BANDWIDTH
        yield Check("memory bandwidth", f"at least {least:f} GB/s", f"{bandwidth} GB/s", bandwidth >= least)


def _shown(report: Mapping[str, Any]) -> Mapping[str, Any]:
    shown = report.get("acceptance")
    if not isinstance(shown, dict):
        problem = {"report.acceptance": "Report what the test showed."}
        raise InvalidInput("The acceptance is missing.", problem)
    problems = dict([*_malformed(shown), *_malformed_probe(shown.get("probe", {}))])
    if problems:
        raise InvalidInput("The acceptance is incomplete.", problems)
    return shown


def _malformed(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, types in FIELDS.items():
        value = shown.get(name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield f"report.acceptance.{name}", f"Give it as {' or '.join(one.__name__ for one in types)}."
        elif name == "memory_gb" and _decimal(value) is None:
            yield f"report.acceptance.{name}", "Give the memory of one card in GB."


def _malformed_probe(probe: object) -> Iterator[tuple[str, str]]:
    name = "report.acceptance.probe"
    if not isinstance(probe, dict):
        yield name, "Give it as a table, or leave it out."
        return
    if not isinstance(probe.get("precision", ""), str):
        yield f"{name}.precision", "Give it as text, such as bf16."
    for figure in FIGURES:
        if figure in probe and not _above_zero(probe[figure]):
            yield f"{name}.{figure}", "Give a figure above zero, or leave it out."
    benchmarks = probe.get("benchmarks", {})
    if not isinstance(benchmarks, dict) or not set(benchmarks) <= set(WorkloadClass.values):
        yield f"{name}.benchmarks", f"Name classes of work: {', '.join(WorkloadClass.values)}."
        return
    for workload, runs in benchmarks.items():
        if not isinstance(runs, list) or not runs or not all(map(_above_zero, runs)):
            yield f"{name}.benchmarks.{workload}", "Give one run or more, each above zero."


def _above_zero(value: object) -> bool:
    figure = None if isinstance(value, bool) else _decimal(value)
    return figure is not None and figure > 0


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
