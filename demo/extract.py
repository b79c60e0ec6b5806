"""Makes the compact extracts that the exchange ships from the collected public material.

    python -m demo.extract --source ../shared/data

Writes ``marketplace/catalogue/data`` (accelerators, regions, benchmarks) and ``demo/data`` (nodes, jobs,
prices, duty cycle). Run again, it writes the same bytes. ``zones.csv``, ``stacks.csv`` and ``fx.csv``
are written by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from demo import extract_trace
from demo.extract_files import read, write
from marketplace.catalogue.data.tables import FOLDER as CATALOGUE
from marketplace.catalogue.data.tables import load_stacks
from marketplace.catalogue.latency import RegionPoint, great_circle_km

DEMO = Path(__file__).parent / "data"

Row = Mapping[str, str]

ZONE_OF_HUB = {
    "Beijing-Tianjin-Hebei": "cn-beijing-tianjin-hebei",
    "Yangtze River Delta": "cn-yangtze-delta",
    "Guangdong-Hong Kong-Macao Greater Bay Area": "cn-greater-bay",
    "Chengdu-Chongqing": "cn-chengdu-chongqing",
    "Inner Mongolia": "cn-inner-mongolia",
    "Guizhou": "cn-guizhou",
    "Gansu": "cn-gansu",
    "Ningxia": "cn-ningxia",
}
ZONE_OF_PROVINCE = {"Xinjiang": "cn-xinjiang"}

PRECISIONS = {
    "fp64": "fp64_tflops",
    "fp32": "fp32_tflops",
    "tf32": "tf32_tflops",
    "bf16": "bf16_tflops",
    "fp16": "fp16_tflops",
    "fp8": "fp8_tflops",
    "int8": "int8_tops",
}
KEPT_OF_ACCELERATOR = (
    "slug", "vendor", "form_factor", "release_year", "memory_gb", "memory_type", "memory_bandwidth_gb_s",
    "interconnect", "interconnect_gb_s", "tdp_w", "export_note", "source", "confidence", "notes",
)  # fmt: skip
KEPT_OF_REGION = (
    "slug", "name_en", "name_zh", "national_hub", "hub_cluster", "country", "province", "jurisdiction",
    "latitude", "longitude", "grid_gco2_per_kwh", "grid_factor_year", "grid_basis", "grid_source",
    "confidence", "notes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder with the collected material")
    source: Path = parser.parse_args().source
    extract_catalogue(source / "reference", CATALOGUE)
    extract_trace.extract(source, DEMO)


def extract_catalogue(source: Path, target: Path) -> None:
    accelerators = [accelerator(row) for row in read(source / "accelerators.csv")]
    models = {row["slug"] for row in accelerators}
    write(target / "accelerators.csv", accelerators)
    write(target / "regions.csv", regions(list(read(source / "regions.csv"))))
    write(target / "benchmarks_training.csv", training(read(source / "mlperf_training_relative.csv"), models))
    write(
        target / "benchmarks_inference.csv", inference(read(source / "mlperf_inference_relative.csv"), models)
    )
    write(target / "sources.csv", sources(read(source / "accelerators_sources.csv")))


def accelerator(row: Row) -> dict[str, str]:
    stacks = {stack.name: stack.slug for stack in load_stacks()}
    kept = {column: row[column] for column in KEPT_OF_ACCELERATOR}
    peaks = {f"{precision}_peak": row[column] for precision, column in PRECISIONS.items()}
    return kept | {"name": row["model"], "stack": stacks[row["software_stack"]]} | peaks


def regions(rows: list[Row]) -> Iterable[dict[str, str]]:
    for row in rows:
        kept = {column: row[column] for column in KEPT_OF_REGION}
        yield kept | {
            "zone": zone(row, rows),
            "kind": row["role"],
            "utc_offset_hours": row["utc_offset"],
            "time_zone": row["timezone"],
        }


def zone(row: Row, rows: list[Row]) -> str:
    """A region's price area: its hub's, its province's, or for a city of demand the nearest hub's."""
    if row["country"] != "CN":
        return row["jurisdiction"].lower()
    if row["national_hub"]:
        return ZONE_OF_HUB[row["national_hub"]]
    if row["province"] in ZONE_OF_PROVINCE:
        return ZONE_OF_PROVINCE[row["province"]]
    hubs = [other for other in rows if other["national_hub"]]
    nearest = min(hubs, key=lambda hub: great_circle_km(point(row), point(hub)))
    return ZONE_OF_HUB[nearest["national_hub"]]


def point(row: Row) -> RegionPoint:
    return RegionPoint(row["slug"], row["country"], Decimal(row["latitude"]), Decimal(row["longitude"]))


def training(rows: Iterable[Row], models: set[str]) -> Iterable[dict[str, str]]:
    for row in rows:
        if row["accelerator"] in models:
            yield {
                "benchmark": row["benchmark"],
                "round": row["round"],
                "model": row["accelerator"],
                "cards": row["n_cards"],
                "basis": row["basis"],
                "availability": "research" if "research" in row["availability"] else row["availability"],
                "relative": row["rel_per_card_median"],
            }


def inference(rows: Iterable[Row], models: set[str]) -> Iterable[dict[str, str]]:
    for row in rows:
        if row["accelerator"] in models:
            yield {
                "benchmark": row["model"],
                "round": row["round"],
                "scenario": row["scenario"],
                "model": row["accelerator"],
                "cards": row["card_counts"],
                "availability": row["availability"],
                "relative": row["rel_median"],
            }


def sources(rows: Iterable[Row]) -> Iterable[dict[str, str]]:
    for row in rows:
        yield {"key": row["source"], "citation": row["citation"]}
    yield {
        "key": "MLPT",
        "citation": "MLPerf Training v2.1-v5.0, closed division: mlcommons/training_results_v2.1 to _v5.0",
    }
    yield {
        "key": "MLPI",
        "citation": "MLPerf Inference v4.1, datacenter, closed division: mlcommons/inference_results_v4.1",
    }


if __name__ == "__main__":
    main()
