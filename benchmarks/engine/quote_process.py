"""A process that takes over a book of quotes and gives some: what a web process does.

``python -m benchmarks.engine.quote_process FOLDER FIRST END`` reads ``book`` and ``requests`` in the folder
and prints what it measured as JSON.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

import msgspec

from benchmarks.engine.peers import peak_memory_mib
from marketplace.engine import QuoteBook, quote

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds of the processor and by the clock."""

    processor: float
    clock: float


@dataclass(frozen=True, slots=True)
class Process:
    """``answered`` counts quotes with a cost, ``within_limit`` those that the buyer would pay."""

    taken_over: Spent
    quotes: list[Spent]
    answered: int
    within_limit: int
    memory_before_mib: int
    memory_after_mib: int


def main(folder: str, first: str, end: str) -> None:
    packed = Path(folder, "book").read_bytes()
    requests = pickle.loads(Path(folder, "requests").read_bytes())[int(first) : int(end)]  # noqa: S301
    before = peak_memory_mib()
    book, taken_over = _timed(lambda: _unpacked(packed))
    given = [_timed(partial(quote, book, asked)) for asked in requests]
    costs = [[each.cost for each in alternatives if each.cost] for alternatives, _ in given]
    measured = Process(
        taken_over=taken_over,
        quotes=[spent for _, spent in given],
        answered=sum(bool(each) for each in costs),
        within_limit=sum(any(cost.within_limit for cost in each) for each in costs),
        memory_before_mib=before,
        memory_after_mib=peak_memory_mib(),
    )
    sys.stdout.buffer.write(msgspec.json.encode(measured))


def _unpacked(packed: bytes) -> QuoteBook:
    book: QuoteBook = pickle.loads(zlib.decompress(packed))  # noqa: S301
    return book


def _timed(work: Callable[[], Made]) -> tuple[Made, Spent]:
    processor, clock = process_time(), perf_counter()
    made = work()
    return made, Spent(1000 * (process_time() - processor), 1000 * (perf_counter() - clock))


if __name__ == "__main__":
    main(*sys.argv[1:])
