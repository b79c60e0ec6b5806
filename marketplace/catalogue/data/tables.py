"""Reads the CSV files beside this module. An empty cell is a fact nobody found: ``None``, never zero.

Units are in the names of the columns: GB, GB/s, dense TFLOPS (TOPS for INT8), GB/s, watts, degrees,
grams of CO2 per kWh.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from marketplace.catalogue.data.rounds import BRIDGE_MODEL, Submission, compare
from marketplace.engine.snapshot import Precision

FOLDER = Path(__file__).parent
TRAINING, INFERENCE = "MLPerf Training", "MLPerf Inference"


@dataclass(frozen=True, slots=True)
class Stack:
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What the data sheet of an accelerator model says. ``peaks`` are dense, without sparsity."""

    slug: str
    vendor: str
    name: str
    form_factor: str
    release_year: int | None
    memory_gb: Decimal | None
    memory_type: str
    memory_bandwidth_gb_s: Decimal | None
    peaks: tuple[tuple[Precision, Decimal], ...]
    interconnect: str
    interconnect_gb_s: Decimal | None
    tdp_w: int | None
    stack: str
    export_note: str
    source: str
    confidence: str
    notes: str

    def peak(self, *precisions: Precision) -> Decimal | None:
        """Dense peak of the first of ``precisions`` that the data sheet states."""
        known = dict(self.peaks)
        return next((known[precision] for precision in precisions if precision in known), None)


@dataclass(frozen=True, slots=True)
class Zone:
    slug: str
    name_en: str
    name_zh: str
    jurisdiction: str
    currency: str


@dataclass(frozen=True, slots=True)
class Region:
    """A place: a computing hub, a city where the demand is, or a cloud city abroad."""

    slug: str
    zone: str
    name_en: str
    name_zh: str
    kind: str
    national_hub: str
    hub_cluster: str
    country: str
    province: str
    jurisdiction: str
    latitude: Decimal
    longitude: Decimal
    utc_offset_hours: Decimal
    time_zone: str
    grid_gco2_per_kwh: Decimal
    grid_factor_year: int
    grid_basis: str
    grid_source: str
    confidence: str
    notes: str


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Throughput per card relative to the reference card, as published or derived from one round.

    ``basis`` says how the reference result was chosen: the same number of cards, a near number, or
    through the H200 where the round has no H100. An inference result compared within its round has
    no basis: it is per card already.
    """

    suite: str
    benchmark: str
    round: str
    scenario: str
    model: str
    cards: str
    basis: str
    availability: str
    relative: Decimal


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One number of the calibration. ``workload`` is empty where it is the same in all classes."""

    kind: str
    name: str
    workload: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class HoldOutFigure:
    """How well a method did in a class on results that were hidden from it.

    Errors are shares of the truth; ``above_lower`` is the share of results that were not below the lower
    bound, ``None`` for a method that states none.
    """

    workload: str
    method: str
    held_out: str
    results: int
    median_error: Decimal
    mean_error: Decimal
    above_lower: Decimal | None


@dataclass(frozen=True, slots=True)
class FxAssumption:
    """Yuan for one unit of a currency. An assumption of the demo, not a rate of any market."""

    currency: str
    cny_per_unit: Decimal
    note: str


@dataclass(frozen=True, slots=True)
class Source:
    key: str
    citation: str


def load_calibration() -> tuple[Coefficient, ...]:
    return tuple(
        Coefficient(row["kind"], row["name"], row["workload"], Decimal(row["value"]))
        for row in _rows("calibration.csv")
    )


def load_validation() -> tuple[HoldOutFigure, ...]:
    """What ``manage.py validate_normalisation`` found and a test finds again."""
    return tuple(_figure(row) for row in _rows("validation.csv"))


def load_stacks() -> tuple[Stack, ...]:
    return tuple(Stack(row["slug"], row["name"]) for row in _rows("stacks.csv"))


def load_zones() -> tuple[Zone, ...]:
    return tuple(Zone(**row) for row in _rows("zones.csv"))


def load_sources() -> tuple[Source, ...]:
    return tuple(Source(**row) for row in _rows("sources.csv"))


def load_fx() -> tuple[FxAssumption, ...]:
    return tuple(
        FxAssumption(row["currency"], Decimal(row["cny_per_unit"]), row["note"]) for row in _rows("fx.csv")
    )


def load_accelerators() -> tuple[Accelerator, ...]:
    return tuple(_accelerator(row) for row in _rows("accelerators.csv"))


def load_regions() -> tuple[Region, ...]:
    return tuple(_region(row) for row in _rows("regions.csv"))


def load_training() -> tuple[BenchmarkResult, ...]:
    return tuple(_result(TRAINING, row) for row in _rows("benchmarks_training.csv"))


def load_inference() -> tuple[BenchmarkResult, ...]:
    """The round that was extracted whole, and what was transcribed of others."""
    extracted = tuple(_result(INFERENCE, row) for row in _rows("benchmarks_inference.csv"))
    bridge = {(r.benchmark, r.scenario): r.relative for r in extracted if r.model == BRIDGE_MODEL}
    transcribed = (_compared(*found) for found in compare(load_submissions(), bridge))
    return (*extracted, *transcribed)


def load_submissions() -> tuple[Submission, ...]:
    return tuple(_submission(row) for row in _rows("benchmarks_inference_rounds.csv"))


def load_architectures() -> dict[str, str]:
    """The vendor's name for the generation of each model, by the model's slug."""
    return {row["slug"]: row["architecture"] for row in _rows("architectures.csv")}


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _decimal(cell: str) -> Decimal | None:
    return Decimal(cell) if cell else None


def _integer(cell: str) -> int | None:
    return int(cell) if cell else None


def _peaks(row: dict[str, str]) -> tuple[tuple[Precision, Decimal], ...]:
    return tuple(
        (precision, Decimal(row[f"{precision}_peak"])) for precision in Precision if row[f"{precision}_peak"]
    )


def _accelerator(row: dict[str, str]) -> Accelerator:
    return Accelerator(
        slug=row["slug"],
        vendor=row["vendor"],
        name=row["name"],
        form_factor=row["form_factor"],
        release_year=_integer(row["release_year"]),
        memory_gb=_decimal(row["memory_gb"]),
        memory_type=row["memory_type"],
        memory_bandwidth_gb_s=_decimal(row["memory_bandwidth_gb_s"]),
        peaks=_peaks(row),
        interconnect=row["interconnect"],
        interconnect_gb_s=_decimal(row["interconnect_gb_s"]),
        tdp_w=_integer(row["tdp_w"]),
        stack=row["stack"],
        export_note=row["export_note"],
        source=row["source"],
        confidence=row["confidence"],
        notes=row["notes"],
    )


def _region(row: dict[str, str]) -> Region:
    return Region(
        slug=row["slug"],
        zone=row["zone"],
        name_en=row["name_en"],
        name_zh=row["name_zh"],
        kind=row["kind"],
        national_hub=row["national_hub"],
        hub_cluster=row["hub_cluster"],
        country=row["country"],
        province=row["province"],
        jurisdiction=row["jurisdiction"],
        latitude=Decimal(row["latitude"]),
        longitude=Decimal(row["longitude"]),
        utc_offset_hours=Decimal(row["utc_offset_hours"]),
        time_zone=row["time_zone"],
        grid_gco2_per_kwh=Decimal(row["grid_gco2_per_kwh"]),
        grid_factor_year=int(row["grid_factor_year"]),
        grid_basis=row["grid_basis"],
        grid_source=row["grid_source"],
        confidence=row["confidence"],
        notes=row["notes"],
    )


def _result(suite: str, row: dict[str, str]) -> BenchmarkResult:
    return BenchmarkResult(
        suite=suite,
        benchmark=row["benchmark"],
        round=row["round"],
        scenario=row.get("scenario", ""),
        model=row["model"],
        cards=row["cards"],
        basis=row.get("basis", ""),
        availability=row["availability"],
        relative=Decimal(row["relative"]),
    )


def _figure(row: dict[str, str]) -> HoldOutFigure:
    return HoldOutFigure(
        workload=row["workload"],
        method=row["method"],
        held_out=row["held_out"],
        results=int(row["results"]),
        median_error=Decimal(row["median_error"]),
        mean_error=Decimal(row["mean_error"]),
        above_lower=_decimal(row["above_lower"]),
    )


def _submission(row: dict[str, str]) -> Submission:
    return Submission(
        benchmark=row["benchmark"],
        round=row["round"],
        scenario=row["scenario"],
        model=row["model"],
        cards=int(row["cards"]),
        availability=row["availability"],
        throughput=Decimal(row["throughput"]),
        submitter=row["submitter"],
        system=row["system"],
    )


def _compared(submission: Submission, basis: str, relative: Decimal) -> BenchmarkResult:
    return BenchmarkResult(
        suite=INFERENCE,
        benchmark=submission.benchmark,
        round=submission.round,
        scenario=submission.scenario,
        model=submission.model,
        cards=str(submission.cards),
        basis=basis,
        availability=submission.availability,
        relative=relative,
    )
