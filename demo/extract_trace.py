"""The demo's part of the extract: nodes and jobs of a cluster, published prices, duty cycles."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean

from demo.extract_files import read, write

Row = Mapping[str, str]

PRICED_MODELS = {
    "A10": "a10",
    "A100": "a100-sxm-40gb",
    "A100-80GB": "a100-sxm-80gb",
    "A6000": "rtx-a6000",
    "B200": "b200-sxm",
    "GAUDI2": "gaudi2",
    "H100": "h100-sxm",
    "H200": "h200-sxm",
    "L4": "l4",
    "L40": "l40",
    "L40S": "l40s",
    "RTX6000Ada": "rtx-6000-ada",
    "RTXPro6000": "rtx-pro-6000-server",
    "V100": "v100-sxm2-16gb",
    "V100-32GB": "v100-sxm2-32gb",
}
"""Names in the price list and the catalogue's model. The list does not tell SXM from PCIe cards; it is
read as SXM where both exist. A16, A4000 and A5000 are left out: the catalogue does not have them."""

SERIES = 48
MINUTES = 1440
LEAST_MINUTES = 240
SECONDS_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Busy seconds of a minute, 0 to 60, as one character."""


def extract(source: Path, target: Path) -> None:
    write(target / "nodes.csv", nodes(read(source / "inventory" / "openb_node_list_gpu_node.csv")))
    write(target / "jobs.csv", jobs(_gzipped(source / "demand" / "openb_pod_list_default.csv.gz")))
    write(target / "prices.csv", prices(read(source / "prices" / "gpu_offers_transcribed.csv")))
    write(target / "duty_cycle.csv", duty_cycles(source / "telemetry" / "pod_gpu_duty_cycle_anon.csv.tar.gz"))


def nodes(rows: Iterable[Row]) -> Iterable[dict[str, str]]:
    counted = Counter((row["model"], int(row["gpu"])) for row in rows)
    for (model, cards), count in sorted(counted.items()):
        yield {"model": model, "cards_per_node": str(cards), "nodes": str(count)}


def jobs(rows: Iterable[Row]) -> Iterable[dict[str, str]]:
    """Jobs with a card, in order of arrival. A job that never ran counts from its arrival."""
    with_cards = [row for row in rows if int(row["num_gpu"]) > 0]
    for row in sorted(with_cards, key=lambda row: (int(row["creation_time"]), row["name"])):
        arrival = int(row["creation_time"])
        began = int(row["scheduled_time"] or arrival)
        yield {
            "arrival_s": str(arrival),
            "duration_s": str(int(row["deletion_time"]) - began),
            "cards": row["num_gpu"],
            "qos": row["qos"],
        }


def prices(rows: Iterable[Row]) -> Iterable[dict[str, str]]:
    for row in rows:
        if row["accelerator"] in PRICED_MODELS:
            per_card = Decimal(row["price_usd_h"]) / int(row["count"])
            yield {
                "model": PRICED_MODELS[row["accelerator"]],
                "provider": row["provider"],
                "cards": row["count"],
                "usd_per_card_hour": str(per_card.quantize(Decimal("0.0001"))),
                "region": row["region"],
            }


def duty_cycles(archive: Path) -> Iterable[dict[str, str]]:
    """A systematic sample of the series, as busy seconds of each minute, a day at most.

    The series are put in order of their mean and drawn in proportion to their length, so that the
    mean of the extract stays that of all samples.
    """
    long_enough = [series[:MINUTES] for series in _series(archive) if len(series) >= LEAST_MINUTES]
    for number, series in enumerate(sample(long_enough)):
        seconds = busy_seconds(series)
        yield {
            "series": str(number),
            "busy_seconds": str(sum(seconds)),
            "minutes": "".join(SECONDS_ALPHABET[second] for second in seconds),
        }


def sample(series: Iterable[list[float]]) -> Iterator[list[float]]:
    ordered = sorted(series, key=lambda one: (mean(one), one))
    ends = list(accumulate(len(one) for one in ordered))
    for rank in range(SERIES):
        yield ordered[bisect_right(ends, (2 * rank + 1) * ends[-1] // (2 * SERIES))]


def busy_seconds(percents: Sequence[float]) -> list[int]:
    """Whole busy seconds of each minute. What rounding leaves is carried on, so the day's sum holds."""
    total = [0, *(round(busy) for busy in accumulate(percent * 0.6 for percent in percents))]
    return [after - before for before, after in pairwise(total)]


def _series(archive: Path) -> Iterator[list[float]]:
    by_pod: dict[str, dict[float, float]] = defaultdict(dict)
    with tarfile.open(archive) as tar:
        file = tar.extractfile("pod_gpu_duty_cycle_anon.csv")
        if file is None:
            raise FileNotFoundError(f"{archive} has no duty cycle file")
        for row in csv.DictReader(io.TextIOWrapper(file)):
            by_pod[row["container_ip"]][float(row["timestamp_anon"])] = float(row["value"])
    for pod in sorted(by_pod):
        yield [by_pod[pod][moment] for moment in sorted(by_pod[pod])]


def _gzipped(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
