"""What was measured, and the page that says it."""

from __future__ import annotations

from pathlib import Path
from statistics import quantiles

import msgspec

from benchmarks.records import FOLDER, markdown, write

FILE = FOLDER / "pages.jsonl"
GOAL_MEDIAN, GOAL_95 = 0.060, 0.200


class Timed(msgspec.Struct):
    """Seconds from when a request was due until its answer was read."""

    reader: str
    address: str
    seconds: list[float]

    @property
    def median(self) -> float:
        return quantiles(self.seconds, n=2)[0]

    @property
    def worst(self) -> float:
        """That which nineteen in twenty stay under."""
        return quantiles(self.seconds, n=20)[-1]


class Measured(msgspec.Struct):
    command: str
    date: str
    machine: str
    load: float | None
    rate: int
    pages: list[Timed]


def record(file: Path, measured: Measured) -> None:
    write(file, [measured], page(measured))


def page(measured: Measured) -> str:
    every = Timed("", "", [second for each in measured.pages for second in each.seconds])
    head = ("page", "reader", "requests", "p50, ms", "p95, ms", "goal")
    rows = [
        (each.address, each.reader, str(len(each.seconds)), _ms(each.median), _ms(each.worst), _goal(each))
        for each in measured.pages
    ]
    rows.append(("all", "", str(len(every.seconds)), _ms(every.median), _ms(every.worst), _goal(every)))
    return f"""# How long pages take

On a market of the size of a nation (`demo/national.py`: 7,000 sites, 20,000 fleets, 100,000 requests and
agreements, 30 days), {measured.rate} requests a second over the pages in turn, against gunicorn as in
production (`docker/gunicorn.conf.py`). Timed by the client from when a request was due, on the machine that
also serves. The buyer and the owner are those with most requests and most sites; the auditor sees everything.

    {measured.command}

{measured.date}, {measured.machine}; load {measured.load}. Goal: p50 under {_ms(GOAL_MEDIAN)} ms and p95 under
{_ms(GOAL_95)} ms.

{markdown(head, rows, {0, 1, 5})}
"""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _goal(timed: Timed) -> str:
    return "met" if timed.median < GOAL_MEDIAN and timed.worst < GOAL_95 else "missed"
