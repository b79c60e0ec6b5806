"""How long utilisation takes to answer on a market of the size of a nation: ``make bench-utilisation``.

PostgreSQL and Valkey are those that DATABASE_URL and REDIS_URL name, or embedded ones. The market is that of
``make bench-pages``, made the first time and kept; ``--fresh`` makes it anew.
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
from benchmarks.records import FOLDER, markdown
from benchmarks.utilisation.answers import Answer
from workbench import databases

SERVERS = Path(__file__).parents[2] / ".data" / "benchmarks" / "pages"
PAGE = FOLDER / "utilisation.md"
GOAL = 0.200


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    with databases.running(SERVERS) as servers:
        is_made = not wanted.fresh and _exists(servers.database_url, wanted.database)
        address = address_of if is_made else fresh
        os.environ.update(environment(address(servers.database_url, wanted.database), servers.redis_url))
        django.setup()
        from benchmarks.pages.measuring import make_market  # noqa: PLC0415 its models need the settings
        from benchmarks.utilisation.measuring import measure  # noqa: PLC0415

        if not is_made:
            make_market(seed=wanted.seed)
        text = _page(measure(rounds=wanted.rounds))
    print(text)
    if not wanted.print_only:
        PAGE.write_text(text)
    return 0


def _page(answers: Sequence[Answer]) -> str:
    head = ("answer", "rows", "p50, ms", "longest, ms", "goal")
    rows = [(each.name, str(each.rows), _ms(each.median), _ms(each.longest), _goal(each)) for each in answers]
    return f"""# How long utilisation takes to answer

On a market of the size of a nation (`demo/national.py`: 7,000 sites, 20,000 fleets, 30 days of each fleet
and of each place), by the selectors that pages and the API read, one after the other and warm. The owner is
the one with most sites. Utilisation of the last day is computed as the exchange does; the days before repeat
it, which makes no difference to how many rows are read.

    make bench-utilisation

{datetime.now(UTC):%Y-%m-%d}, {describe()}; load {load()}. Goal: each under {_ms(GOAL)} ms.

{markdown(head, rows, {0, 4})}
"""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _goal(answer: Answer) -> str:
    return "met" if answer.median < GOAL else "missed"


def _exists(server: str, name: str) -> bool:
    with psycopg.connect(address_of(server, "postgres")) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    return found is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.utilisation.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each answer is asked for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="cardhour_bench_pages")
    parser.add_argument("--fresh", action="store_true", help="make the market anew")
    parser.add_argument("--print-only", action="store_true", help=f"do not write {PAGE.name}")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
