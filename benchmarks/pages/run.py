"""How long pages take on a market of the size of a nation: ``make bench-pages``.

PostgreSQL and Valkey are those that DATABASE_URL and REDIS_URL name, or embedded ones. The market is made
the first time and kept; ``--fresh`` makes it anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import django
import psycopg

from benchmarks.database import address_of, environment, fresh
from benchmarks.engine.machine import describe, load
from benchmarks.pages.report import FILE, Measured, page, record
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "pages"
NAME = "cardhour_bench_pages"


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        is_made = not wanted.fresh and _exists(servers.database_url)
        address = address_of if is_made else fresh
        os.environ.update(environment(address(servers.database_url, NAME), servers.redis_url))
        django.setup()
        from benchmarks.pages import measuring  # noqa: PLC0415 its models need the settings

        if not is_made:
            measuring.make_market(seed=wanted.seed)
        measured = Measured(
            command="make bench-pages",
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            machine=str(describe()),
            load=load(),
            rate=wanted.rate,
            pages=measuring.measure(rate=wanted.rate, seconds=wanted.seconds),
        )
    print(page(measured))
    if not wanted.print_only:
        record(FILE, measured)
    return 0


def _exists(server: str) -> bool:
    with psycopg.connect(address_of(server, "postgres")) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
    return found is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages.run", description=__doc__)
    parser.add_argument("--rate", type=int, default=20, help="requests a second, over all pages")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="make the market anew")
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
