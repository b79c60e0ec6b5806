"""Clears the demo market hour by hour, delivers and meters what was sold as its sites would, and detects.

    python -m benchmarks.findings.run --hours 48

It fills the database that ``DATABASE_URL`` names, which has to be migrated and empty. Nothing goes over HTTP:
agreements come from real market runs, readings from the trace and the cheats of ``demo.plants``.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import django

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 2, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description="Findings on the demo market")
    parser.add_argument("--hours", type=int, default=48)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    django.setup()
    from benchmarks.findings import market  # noqa: PLC0415 models need the set-up

    market.fill(START, hours=options.hours)
    told = market.found(START, START + options.hours * HOUR)
    for line in lines(told):
        print(line)


def lines(told: Counter[tuple[str, str]]) -> Iterator[str]:
    for name in sorted({name for name, _what in told}):
        yield f"{name:22} {told[name, 'cheats']:4} of cheats, {told[name, 'honest']:4} of honest parties"


if __name__ == "__main__":
    main()
