"""What is measured, and kept in docs/benchmarks/metering.jsonl."""

from __future__ import annotations

import msgspec


class Latencies(msgspec.Struct):
    """Of one kind of batch, how long each took in seconds, round by round.

    ``processor`` is the processor time of each round in seconds, of all processes that took part.
    """

    size: int
    duplicates: int
    connections: int
    rounds: list[list[float]] = msgspec.field(default_factory=list)
    processor: list[float] = msgspec.field(default_factory=list)


class Measured(msgspec.Struct):
    """``sends`` over HTTP, ``copies`` with COPY alone; ``sizes`` and ``body`` in bytes an event."""

    command: str
    date: str
    machine: str
    load: float | None
    seed: int
    body: int
    sends: list[Latencies]
    copies: list[Latencies]
    sizes: dict[str, float]
