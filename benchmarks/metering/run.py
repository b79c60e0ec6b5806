"""Measure how fast meter events are taken in, and write it down: ``make bench-metering``.

PostgreSQL and Valkey are those that DATABASE_URL and REDIS_URL name, or embedded ones that are started for
the occasion and are as durable as production's. The database that is measured is made anew.
"""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import django
import psycopg
from psycopg import sql

from benchmarks.metering.report import page, record
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "metering"
NAME = "cardhour_bench_metering"


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        os.environ.update(_environment(_fresh(servers.database_url), servers.redis_url))
        django.setup()
        from benchmarks.metering.measuring import measure  # noqa: PLC0415 its models need the settings

        measured = measure(rounds=wanted.rounds, seed=wanted.seed)
    print(page(measured))
    if not wanted.print_only:
        record(measured)
    return 0


def _fresh(server: str) -> str:
    """An empty database on the server; its address."""
    address, _, _ = server.rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        name = sql.Identifier(NAME)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    return f"{address}/{NAME}"


def _environment(database: str, redis: str) -> dict[str, str]:
    """As in production, but for the number of writes that a token may make in a minute."""
    return {
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CARDHOUR_BASE_URL": "http://127.0.0.1",
        "ALLOWED_HOSTS": "127.0.0.1",
        "API_WRITES_A_MINUTE": "1000000000",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metering.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
