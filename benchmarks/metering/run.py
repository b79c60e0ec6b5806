"""Measure how fast meter events are taken in, and write it down: ``make bench-metering``.

PostgreSQL and Valkey are those that DATABASE_URL and REDIS_URL name, or embedded ones that are started for
the occasion and are as durable as production's. The database that is measured is made anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import django

from benchmarks.database import environment, fresh
from benchmarks.metering.report import page, record
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "metering"
NAME = "cardhour_bench_metering"


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        os.environ.update(environment(fresh(servers.database_url, NAME), servers.redis_url))
        django.setup()
        from benchmarks.metering.measuring import measure  # noqa: PLC0415 its models need the settings

        measured = measure(rounds=wanted.rounds, seed=wanted.seed)
    print(page(measured))
    if not wanted.print_only:
        record(measured)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metering.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
