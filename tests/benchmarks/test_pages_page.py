"""The page of the benchmark of pages says what was measured."""

from __future__ import annotations

from benchmarks.pages.report import Measured, Timed, page


def test_a_page_meets_the_goal_where_both_figures_do() -> None:
    fast = Timed("buyer", "/requests/", [0.040, 0.050, 0.050, 0.060])
    slow_at_times = Timed("auditor", "/agreements/", [0.050] * 18 + [0.400] * 2)
    said = page(
        Measured(
            command="make bench-pages",
            date="2026-11-22",
            machine="a machine",
            load=None,
            rate=20,
            pages=[fast, slow_at_times],
        )
    )
    rows = {line.split("|")[1].strip(): line for line in said.splitlines() if line.startswith("| ")}
    assert "met" in rows["/requests/"]
    assert "|      50 |" in rows["/requests/"]
    assert "missed" in rows["/agreements/"]
    assert "24" in rows["all"]
