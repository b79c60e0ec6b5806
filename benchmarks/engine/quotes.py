"""Measure how long a quote takes, and write it down.

``python -m benchmarks.engine.quotes --instance national``. A book of quotes is made of a generated market and
packed as it is for the cache. New processes take it over and give one quote each (*cold*); one process gives
all quotes of the sample (*warm*).

Generated requests ask for any cards or for one gang. Every third of the sample is changed to ask for four
gangs, and every third to be divisible, so that each way for cards to come together is measured.
"""

from __future__ import annotations

import argparse
import pickle
import random
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, median_low
from tempfile import TemporaryDirectory
from time import process_time

import msgspec

from benchmarks import records
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.machine import describe, load
from benchmarks.engine.quote_process import Process, Spent
from benchmarks.engine.snapshots import stored
from marketplace.engine import (
    Alternative,
    Price,
    QuoteBook,
    Request,
    RoundTrip,
    Snapshot,
    Unit,
    snapshot_from_bytes,
)

FILE = records.FOLDER / "quote.jsonl"
SAMPLE = 200
COLD_PROCESSES = 20
GANGS = 4


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of the processor, and the longest by the clock."""

    median: float
    p99: float
    slowest: float
    slowest_by_clock: float

    @classmethod
    def of(cls, spent: Sequence[Spent]) -> Times:
        ordered = sorted(each.processor for each in spent)
        p99 = ordered[-(-99 * len(ordered) // 100) - 1]
        figures = (median(ordered), p99, ordered[-1], max(each.clock for each in spent))
        return cls(*(round(each, 1) for each in figures))


@dataclass(frozen=True, slots=True)
class Measured:
    """``cold`` is taking over the book and a first quote, in a new process."""

    instance: str
    regime: str
    seed: int
    offers: int
    answered: int
    within_limit: int
    made_s: float
    packed_mib: float
    taken_over: Times
    cold: Times
    warm: Times
    memory_before_mib: int
    memory_after_mib: int
    machine: str
    date: str
    load: float | None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.quotes", description=__doc__)
    parser.add_argument("--instance", choices=list(SIZES), default="national")
    parser.add_argument("--regime", choices=list(Regime), default=Regime.TIGHT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    wanted = parser.parse_args(arguments)
    measured = measure(wanted.instance, Regime(wanted.regime), wanted.seed)
    print(page([measured]), flush=True)
    if not wanted.print_only:
        record(measured)
    return 0


def measure(instance: str, regime: Regime, seed: int) -> Measured:
    market = with_shared_trips(snapshot_from_bytes(stored(instance, regime, seed).read_bytes()))
    started = process_time()
    book = QuoteBook(market, tuple(last_prices(market)), last_sales(market, seed))
    packed = zlib.compress(pickle.dumps(book, pickle.HIGHEST_PROTOCOL), level=1)
    made_s = process_time() - started
    asked = sample(market, seed)
    with TemporaryDirectory() as folder:
        Path(folder, "book").write_bytes(packed)
        Path(folder, "requests").write_bytes(pickle.dumps(asked))
        cold = [_process(folder, number, number + 1) for number in range(min(COLD_PROCESSES, len(asked)))]
        warm = _process(folder, 0, len(asked))
    return Measured(
        instance=instance,
        regime=regime,
        seed=seed,
        offers=len(market.offers),
        answered=warm.answered,
        within_limit=warm.within_limit,
        made_s=round(made_s, 1),
        packed_mib=round(len(packed) / 2**20, 1),
        taken_over=Times.of([each.taken_over for each in cold]),
        cold=Times.of([_both(each.taken_over, each.quotes[0]) for each in cold]),
        warm=Times.of(warm.quotes),
        memory_before_mib=warm.memory_before_mib,
        memory_after_mib=warm.memory_after_mib,
        machine=str(describe()),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        load=load(),
    )


def _process(folder: str, first: int, end: int) -> Process:
    command = [sys.executable, "-m", "benchmarks.engine.quote_process", folder, str(first), str(end)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return msgspec.json.decode(done.stdout, type=Process)


def _both(one: Spent, other: Spent) -> Spent:
    return Spent(one.processor + other.processor, one.clock + other.clock)


def with_shared_trips(market: Snapshot) -> Snapshot:
    """Sites of a region share their round trips in memory, as where they are read from the database."""
    known: dict[tuple[RoundTrip, ...], tuple[RoundTrip, ...]] = {}
    sites = (
        replace(each, round_trips=known.setdefault(each.round_trips, each.round_trips))
        for each in market.sites
    )
    return replace(market, sites=tuple(sites))


def last_prices(market: Snapshot) -> Iterator[Price]:
    """A price for every product and slot, above half of its asks: quotes have to look at all of them."""
    sites = {site.id: site for site in market.sites}
    asks: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for offer in market.offers:
        site = sites[offer.site]
        asks[offer.model, site.zone, site.currency].append(offer.asks[0])
    for (model, zone, currency), known in asks.items():
        for slot in range(market.slots):
            yield Price(model, zone, slot, currency, median_low(known))


def last_sales(market: Snapshot, seed: int) -> Iterator[dict[tuple[str, str, str], int]]:
    """As many runs as a book knows of; each sold up to a tenth of the cards of a product."""
    chance = random.Random(f"sales:{seed}")  # noqa: S311
    sites = {site.id: site for site in market.sites}
    cards: dict[tuple[str, str, str], int] = defaultdict(int)
    for offer in market.offers:
        site = sites[offer.site]
        cards[offer.model, site.zone, site.currency] += offer.free[0]
    for _ in range(24):
        yield {product: chance.randint(0, number // 10) for product, number in cards.items()}


def sample(market: Snapshot, seed: int) -> list[Request]:
    chosen = random.Random(f"quotes:{seed}").sample(market.requests, min(SAMPLE, len(market.requests)))  # noqa: S311
    return [_changed(each, number % 3) for number, each in enumerate(chosen)]


def _changed(asked: Request, kind: int) -> Request:
    change = (lambda row: row, _in_gangs, _divisible)[kind]
    return replace(asked, alternatives=tuple(change(each) for each in asked.alternatives))


def _in_gangs(row: Alternative) -> Alternative:
    amount = -(-row.amount // GANGS) * GANGS if row.unit is Unit.CARDS else row.amount
    return replace(row, gangs=GANGS, amount=amount)


def _divisible(row: Alternative) -> Alternative:
    return replace(row, gangs=0, divisible=True)


def record(measured: Measured, file: Path = FILE) -> None:
    """In the place of the last measurement of the same market; the page is made anew."""
    others = [each for each in records.read(file, Measured) if _market(each) != _market(measured)]
    rows = sorted([*others, measured], key=_market)
    records.write(file, rows, page(rows))


def _market(measured: Measured) -> tuple[str, str, int]:
    return measured.instance, measured.regime, measured.seed


INTRODUCTION = f"""# Quotes

Made by `benchmarks/engine/quotes.py` from `quote.jsonl` beside it; do not edit. The goal is 300 ms at
national scale. {SAMPLE} requests of the generated market, drawn with the seed, are quoted one after another:
a third as they are, a third in {GANGS} gangs, a third as divisible work. A quote looks at every open offer,
counts what each constraint removes, finds the cheapest way to have what is wanted, and does so again without
each constraint in turn.

- **made**: what a task does every few minutes, less the reading of the database: the book of all offers,
  packed for the cache.
- **taken over**: what a web process does once for each new book: unpack it into memory.
- **cold**: that and the first quote from it, in {COLD_PROCESSES} processes that have just started.
- **warm**: every other quote.

Times are of the processor; **by the clock** is the slowest one as somebody would have waited for it, while so
many processes were busy (**load**). Memory is the most that the process had resident.
"""


def page(rows: Sequence[Measured]) -> str:
    return "\n".join([INTRODUCTION, *map(section, rows)])


def section(row: Measured) -> str:
    title = f"## {row.instance}, {row.regime}, seed {row.seed}"
    command = f'make bench-quote ARGS="--instance {row.instance} --regime {row.regime} --seed {row.seed}"'
    head = ("", "median", "p99", "slowest", "slowest by the clock")
    named = {"taken over": row.taken_over, "cold": row.cold, "warm": row.warm}
    cells = [(name, *map(_ms, astuple(times))) for name, times in named.items()]
    facts = (
        f"{row.offers:,} offers; {row.answered} of {SAMPLE} requests could be had, {row.within_limit} within "
        f"their limit. The book is made in {row.made_s} s and takes {row.packed_mib} MiB in the cache; a "
        f"process has {row.memory_before_mib} MiB before and {row.memory_after_mib} MiB after. "
        f"{row.machine}; {row.date}, load {row.load}."
    )
    return f"{title}\n\n`{command}`\n\n{facts}\n\n{records.markdown(head, cells, {0})}\n"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
