"""What charts draw is what the figures say."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.web import charts

START = dt.datetime(2026, 3, 9, 6, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_levels_are_shares_of_what_is_installed() -> None:
    levels = charts.utilisation_levels(installed=200, offered=100, sold=50, allocated=25, active=0)
    assert [level.width for level in levels] == ["100%", "50%", "25%", "12.5%", "0%"]
    assert [level.share for level in levels] == [1, Decimal("0.5"), Decimal("0.25"), Decimal("0.125"), 0]


def test_where_nothing_is_installed_there_is_no_share() -> None:
    levels = charts.utilisation_levels(installed=0, offered=0, sold=0, allocated=0, active=0)
    assert {level.share for level in levels} == {None}
    assert {level.width for level in levels} == {"0%"}


def test_more_than_all_is_drawn_as_all() -> None:
    assert charts.percent_of(300, 200) == "100%"
    assert charts.percent_of(-1, 200) == "0%"


def test_a_sparkline_runs_from_edge_to_edge_and_higher_is_up() -> None:
    line = charts.sparkline([1, 2, 3], width=100, height=20, inset=0)
    assert line.lines == ("0,20 50,10 100,0",)
    assert line.last == ("100", "0")


def test_a_missing_value_interrupts_the_line() -> None:
    line = charts.sparkline([1, 2, None, 4, 5])
    assert len(line.lines) == 2


def test_a_flat_series_lies_in_the_middle() -> None:
    assert charts.sparkline([7, 7], width=100, height=20, inset=0).lines == ("0,10 100,10",)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_without_values_there_is_nothing_to_draw(values: list[None]) -> None:
    assert charts.sparkline(values) == charts.Sparkline((), "", None, 96, 24)


def test_one_value_is_a_dot() -> None:
    line = charts.sparkline([5], width=100, height=20)
    assert (line.lines, line.area, line.last) == ((), "", ("50", "10"))


@given(st.lists(st.none() | st.integers(-(10**9), 10**9), max_size=40))
def test_a_sparkline_stays_inside_its_box(values: list[int | None]) -> None:
    line = charts.sparkline(values, width=96, height=24)
    points = [point.split(",") for run in line.lines for point in run.split()]
    assert all(0 <= float(x) <= 96 and 0 <= float(y) <= 24 for x, y in points)


def test_supply_is_drawn_by_rising_price_over_cumulative_quantity() -> None:
    steps = charts.price_steps(supply=[(100, 8), (100, 4)], demand=[])
    assert steps.supply == "M0 500H500V0H1000"
    assert steps.demand == ""


def test_demand_is_drawn_by_falling_price() -> None:
    steps = charts.price_steps(supply=[], demand=[(100, 4), (100, 8)])
    assert steps.demand == "M0 0H500V500H1000"


def test_the_clearing_point_stands_where_the_axes_say() -> None:
    steps = charts.price_steps(
        supply=[(100, 4)], demand=[(200, 8)], clearing_quantity=100, clearing_price=Decimal(6)
    )
    assert (steps.clearing_across, steps.clearing_up) == ("50%", "25%")


def test_without_orders_the_axes_still_stand() -> None:
    steps = charts.price_steps(supply=[], demand=[])
    assert [tick.value for tick in steps.up] == [0, 1]
    assert steps.clearing_up is None


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [(10, [0, 2.5, 5, 7.5, 10]), (16, [0, 5, 10, 15, 20]), (0, [0, 1]), (0.3, [0, 0.1, 0.2, 0.3])],
)
def test_ticks_are_round_and_reach_the_top(highest: float, ticks: list[float]) -> None:
    assert [float(tick) for tick in charts.nice_ticks(highest)] == ticks


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_ticks_cover_any_height_with_few_steps(highest: float) -> None:
    ticks = charts.nice_ticks(highest)
    assert float(ticks[-1]) >= highest * (1 - 1e-6)
    assert 2 <= len(ticks) <= 6


def test_a_bar_is_cut_to_the_hours_shown() -> None:
    cells = [
        {"start": START - 5 * HOUR, "end": START + 5 * HOUR, "kind": "sold", "label": "sold"},
        {"start": START + 8 * HOUR, "end": START + 99 * HOUR},
        {"start": START + 50 * HOUR, "end": START + 60 * HOUR},
    ]
    bars = charts.gantt_bars(cells, START, 10)
    assert [(bar.x, bar.width, bar.kind) for bar in bars] == [
        ("0%", "50%", "sold"),
        ("80%", "20%", "offered"),
    ]


def test_days_begin_at_the_readers_midnight() -> None:
    shanghai = zoneinfo.ZoneInfo("Asia/Shanghai")
    marks = charts.day_marks(START, 40, shanghai)
    assert [at for at, _ in marks] == ["25%", "85%"]
    assert [day.hour for _, day in marks] == [0, 0]


def test_a_stack_is_scaled_to_the_largest_site() -> None:
    slots = [
        {"label": "a", "installed": 100, "offered": 50, "sold": 25, "allocated": 20, "active": 10},
        {"label": "b", "installed": 50, "offered": 0, "sold": 0, "allocated": 0, "active": 0},
    ]
    first, second = charts.stack_columns(slots, gap=0)
    assert (first.x, first.width, second.x) == ("0%", "50%", "50%")
    assert first.rects[:2] == (("installed", "0%", "100%"), ("offered", "50%", "50%"))
    assert second.rects[0] == ("installed", "50%", "50%")
    assert charts.stack_columns([]) == []
