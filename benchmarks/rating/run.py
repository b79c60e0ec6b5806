"""Measure how fast readings are rated, and write it down: ``make bench-rating``.

PostgreSQL is the one that DATABASE_URL names, or an embedded one that is started for the occasion and is as
durable as production's. The databases that are measured are made anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import django

from benchmarks.database import address_of, environment
from benchmarks.rating.report import page, record
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "rating"
NAME = "cardhour_bench_rating"


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        server = servers.database_url
        os.environ.update(environment(address_of(server, NAME), servers.redis_url))
        django.setup()
        from benchmarks.rating.measuring import measure  # noqa: PLC0415 its models need the settings

        measured = measure(
            server=server, name=NAME, readings=wanted.readings, rounds=wanted.rounds, seed=wanted.seed
        )
    print(page(measured))
    if not wanted.print_only:
        record(measured)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rating.run", description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000, help="of each kind of market")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
