"""What is measured, and kept in docs/benchmarks/rating.jsonl and month-end.jsonl."""

from __future__ import annotations

import msgspec


class Rated(msgspec.Struct):
    """Rating everything there is, round by round, in seconds by the clock and of processor time."""

    readings_an_hour: int
    readings: int
    charges: int
    rounds: list[float] = msgspec.field(default_factory=list)
    processor: list[float] = msgspec.field(default_factory=list)


class Copied(msgspec.Struct):
    """COPY of the charges alone into a table like theirs, without ``left_out``, round by round in seconds."""

    left_out: str
    charges: int
    rounds: list[float] = msgspec.field(default_factory=list)


class Measured(msgspec.Struct):
    command: str
    date: str
    machine: str
    load: float | None
    seed: int
    rated: list[Rated]
    copied: list[Copied]


class MonthEnd(msgspec.Struct):
    """Seconds by the clock; memory in MiB, the most that each process held."""

    command: str
    date: str
    machine: str
    load: float | None
    agreements: int
    hours: int
    with_readings: bool
    runs: int
    rating: float
    closing: float
    documents: int
    memory: int
    memory_of_database: int | None
