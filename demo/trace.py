"""Reads the extracts in ``demo/data``."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from demo.extract_files import read
from demo.mapping import TraceNodes

FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the trace: seconds since its beginning, cards, and the cluster's service class."""

    arrival_s: int
    duration_s: int
    cards: int
    qos: str


@dataclass(frozen=True, slots=True)
class PublishedPrice:
    model: str
    provider: str
    cards: int
    usd_per_card_hour: Decimal
    region: str


@cache
def load_nodes() -> tuple[TraceNodes, ...]:
    rows = read(FOLDER / "nodes.csv")
    return tuple(TraceNodes(row["model"], int(row["cards_per_node"]), int(row["nodes"])) for row in rows)


@cache
def load_jobs() -> tuple[Job, ...]:
    return tuple(
        Job(int(row["arrival_s"]), int(row["duration_s"]), int(row["cards"]), row["qos"])
        for row in read(FOLDER / "jobs.csv")
    )


@cache
def load_prices() -> tuple[PublishedPrice, ...]:
    return tuple(
        PublishedPrice(
            row["model"], row["provider"], int(row["cards"]), Decimal(row["usd_per_card_hour"]), row["region"]
        )
        for row in read(FOLDER / "prices.csv")
    )
