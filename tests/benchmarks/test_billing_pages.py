"""The pages of the benchmarks of rating say what was measured, and no more."""

from __future__ import annotations

import re

from benchmarks.rating import month_end_report, report
from benchmarks.rating.records import Copied, Measured, MonthEnd, Rated


def _row(page: str, first: str) -> list[str]:
    """The cells of the row of a table that begins so."""
    (line,) = re.findall(rf"^\| +{re.escape(first)} +\|.*$", page, re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_of_rating_gives_medians_of_the_rounds() -> None:
    measured = Measured(
        command="make bench-rating",
        date="2026-11-22",
        machine="a machine",
        load=None,
        seed=1,
        rated=[
            Rated(1, 1_000, 1_000, rounds=[0.04, 0.01, 0.02], processor=[0.03, 0.01, 0.02]),
            Rated(60, 60_000, 1_000, rounds=[0.02, 0.02, 0.02], processor=[0.01, 0.01, 0.01]),
        ],
        copied=[Copied("nothing", 1_000, rounds=[0.01, 0.02, 0.015])],
    )
    page = report.page(measured)
    assert _row(page, "1") == [
        "1", "1,000", "1,000", "20.00 (10.00–40.00)", "50,000 (25,000–100,000)", "20.0 (10.0–40.0)", "20.0",
    ]  # fmt: skip
    assert "with a reading an hour: **50,000**; with 60 an hour:\n**3,000,000**" in page
    assert "15.0 (10.0–20.0)" in page


def test_the_page_of_month_ends_says_what_was_measured_and_what_follows_from_it() -> None:
    measured = MonthEnd(
        command="make bench-month-end",
        date="2026-11-22",
        machine="a machine",
        load=2.5,
        agreements=1_000,
        hours=720,
        with_readings=False,
        runs=1,
        rating=10.0,
        closing=8.0,
        documents=1_200,
        memory=300,
        memory_of_database=None,
    )
    assert _row(month_end_report.page([measured]), "1,000 × 720, no readings") == [
        "1,000 × 720, no readings", "1", "10.0", "8.0", "40,000", "1,200", "300", "not counted", "1,800",
    ]  # fmt: skip
