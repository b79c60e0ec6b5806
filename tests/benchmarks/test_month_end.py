"""The benchmark of a month's end fills a market by SQL of its own, which must keep up with the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_month_of_two_agreements_is_rated_and_closed() -> None:
    command = [sys.executable, "-m", "benchmarks.rating.month_end", "--agreements", "2", "--hours", "3"]
    done = subprocess.run([*command, "--print-only"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| 2 × 3")]
    # An invoice and a statement for each.
    assert row.split("|")[6].strip() == "4"
