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

from marketplace.engine.snapshot import Precision

FOLDER = Path(__file__).parent


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
    through the H200 where the round has no H100. Inference results have no basis: they are
    already per card.
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
class FxAssumption:
    """Yuan for one unit of a currency. An assumption of the demo, not a rate of any market."""

    currency: str
    cny_per_unit: Decimal
    note: str


@dataclass(frozen=True, slots=True)
class Source:
    key: str
    citation: str


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
    return tuple(_result("MLPerf Training", row) for row in _rows("benchmarks_training.csv"))


def load_inference() -> tuple[BenchmarkResult, ...]:
    return tuple(_result("MLPerf Inference", row) for row in _rows("benchmarks_inference.csv"))


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
