"""The page says what was measured, and which goals were met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine import report, run
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.machine import Machine
from benchmarks.engine.peers import OURS, PEERS, Outcome, Phase
from benchmarks.engine.runset import Market, Row, RunSet
from benchmarks.engine.snapshots import stored

MACHINE = Machine("a processor", 2, "a system", "versions")
FILE = "engine.jsonl"


def phase(seconds: float = 1.0, memory_mib: int = 40) -> Phase:
    return Phase(seconds, seconds, memory_mib)


def ours(surplus: float, bound: float = 110.0, work: Phase | None = None) -> Outcome:
    return Outcome(
        OURS,
        work=work or phase(),
        warm_up=phase(),
        verify=phase(),
        surplus=surplus,
        bound=bound,
        matched=1,
        full=1,
        card_hours=2,
    )


def row(outcome: Outcome, date: str = "2026-11-22") -> Row:
    return Row(outcome, date, 0.5, None)


def run_set(
    *outcomes: Outcome, instance: str = "small", regime: str = Regime.TIGHT, date: str = "2026-11-22"
) -> RunSet:
    market = Market(
        instance=instance,
        regime=regime,
        seed=1,
        size="4 × 2 × 24",
        snapshot="0" * 64,
        ratio=2.0,
        requests=4,
        card_hours=8,
    )
    return RunSet(market, "make bench-engine", MACHINE, tuple(row(each, date) for each in outcomes))


def recorded(folder: Path, *sets: RunSet) -> str:
    for each in sets:
        report.record(each, folder / FILE)
    return (folder / "engine.md").read_text()


def test_surplus_is_divided_by_the_smallest_bound_and_its_owner_is_named() -> None:
    text = report.section(run_set(ours(50.0), Outcome("lp", bound=100.0), Outcome("descent", bound=105.0)))
    assert "50.00 %" in text
    assert "best known bound 100 (HiGHS, relaxation)" in text


def test_our_own_bound_counts_among_the_bounds() -> None:
    runs = run_set(ours(50.0, bound=80.0), Outcome("lp", bound=100.0))
    assert runs.best_bound == (OURS, 80.0)


def test_the_newest_measurement_takes_the_place_of_the_last(tmp_path: Path) -> None:
    first, newer = run_set(ours(50.0)), run_set(ours(60.0), date="2026-12-01")
    page = recorded(tmp_path, first, run_set(ours(50.0), regime=Regime.SLACK), newer)
    assert page.count("## small, tight, seed 1") == 1
    assert page.count("2026-12-01") == 1
    assert page.index("## small, tight") < page.index("## small, slack")


def test_peers_that_were_not_measured_anew_stay_with_the_same_market(tmp_path: Path) -> None:
    before = run_set(ours(50.0), Outcome("lp", bound=100.0))
    page = recorded(tmp_path, before, run_set(ours(60.0), date="2026-12-01"))
    assert "HiGHS, relaxation" in page
    assert "60.00 %" in page


@pytest.mark.parametrize(
    "other",
    [
        lambda runs: replace(runs, machine=replace(MACHINE, cores=64)),
        lambda runs: replace(runs, market=replace(runs.market, snapshot="1" * 64)),
    ],
)
def test_peers_on_another_market_or_machine_do_not_stay(tmp_path: Path, other) -> None:
    before = run_set(ours(50.0), Outcome("lp", bound=100.0))
    page = recorded(tmp_path, before, other(run_set(ours(60.0))))
    assert "relaxation" not in page.split("## Summary")[1]


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (ours(99.6, work=phase(1.9)), "yes"),
        (ours(99.4, work=phase(1.9)), "no: 99.40 %"),
        (ours(99.6, work=phase(2.5)), "no: 2.5 s"),
        (ours(90.0, work=phase(2.5)), "no: 90.00 %, 2.5 s"),
    ],
)
def test_small_must_reach_the_best_known_bound_in_two_seconds(outcome: Outcome, verdict: str) -> None:
    page = report.page([run_set(outcome, Outcome("lp", bound=100.0))])
    assert f"| {verdict} " in page


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (ours(99.0, bound=100.0, work=phase(59.0, 4_000)), "yes"),
        (ours(98.9, bound=100.0, work=phase(59.0, 4_000)), "no: 98.90 %"),
        (ours(99.0, bound=100.0, work=phase(59.0, 4_096)), "no: 4,096 MiB"),
        (ours(99.0, bound=100.0, work=phase(60.0, 4_000)), "no: 60.0 s"),
    ],
)
def test_national_must_reach_its_own_bound_in_a_minute_and_four_gib(outcome: Outcome, verdict: str) -> None:
    page = report.page([run_set(outcome, Outcome("lp", bound=200.0), instance="national")])
    assert f"| {verdict} " in page


def test_memory_of_the_verification_counts_too() -> None:
    outcome = replace(ours(99.0, bound=100.0), verify=phase(1.0, 5_000))
    assert "no: 5,000 MiB" in report.page([run_set(outcome, instance="national")])


def test_the_scaling_curve_has_a_line_for_each_size_and_no_section() -> None:
    page = report.page([run_set(ours(99.0), instance=size) for size in ("1k", "200k")])
    assert "## Scaling" in page
    assert "## 1k" not in page


def test_the_trace_comes_after_the_generated_markets(tmp_path: Path) -> None:
    page = recorded(
        tmp_path, run_set(ours(50.0), instance=report.TRACE, regime="7 days"), run_set(ours(50.0))
    )
    assert page.index("## small, tight") < page.index("## trace, 7 days")


def test_every_peer_has_a_name_and_every_goal_an_instance() -> None:
    assert set(report.NAMES) == set(PEERS)
    assert set(report.GOALS) <= set(SIZES)


def test_a_run_prints_its_table_and_leaves_the_page_alone_if_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(*_: object) -> None:
        raise AssertionError("the page was written")

    monkeypatch.setattr(run, "stored", lambda *market: stored(*market, tmp_path))
    monkeypatch.setattr(run, "record", nowhere)
    assert run.main(["--instance", "tiny", "--regime", "tight", "--peers", "greedy", "--print-only"]) == 0
    assert "## tiny, tight, seed 1" in capsys.readouterr().out
