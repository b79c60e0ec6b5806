"""Rate and close a month of which nothing is rated yet, and write down how long it takes and how much memory.

    make bench-month-end ARGS="--agreements 2000"
    make bench-month-end ARGS="--agreements 100000 --without-readings"    # 60 GB of disk, most of an hour

PostgreSQL is the one that DATABASE_URL names, or an embedded one that is started for the occasion and is as
durable as production's. The database is made anew, and dropped afterwards. Without readings the hours hold
their sums all the same, which is all that rating reads of usual hours; it saves three quarters of the disk.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import django

from benchmarks.database import drop, environment, fresh
from benchmarks.rating.month_end_report import page, record
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "rating"
NAME = "cardhour_bench_month_end"


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        os.environ.update(environment(fresh(servers.database_url, NAME), servers.redis_url))
        django.setup()
        from benchmarks.rating.closing import measure  # noqa: PLC0415 its models need the settings

        measured = measure(
            agreements=wanted.agreements,
            hours=wanted.hours,
            with_readings=not wanted.without_readings,
            seed=wanted.seed,
        )
        drop(servers.database_url, NAME)
    print(page([measured]))
    if not wanted.print_only:
        record(measured)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rating.month_end", description=__doc__)
    parser.add_argument("--agreements", type=int, default=1_000)
    parser.add_argument("--hours", type=int, default=720)
    parser.add_argument("--without-readings", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
