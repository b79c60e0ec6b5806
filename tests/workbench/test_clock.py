from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.clock import UNSEEN, MarketClock, parse_speed
from workbench.preflight import Problem

MORNING = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
NIGHT = MORNING + timedelta(hours=12)


def _clock(file: Path, wall: datetime = MORNING, speed: int = 120) -> MarketClock:
    return MarketClock.resume(file, speed=speed, wall=wall)


def test_the_first_market_day_begins_at_0440(tmp_path: Path) -> None:
    clock = _clock(tmp_path / "clock.json")
    assert clock.market_time(MORNING) == datetime(2026, 3, 5, 4, 40, tzinfo=UTC)


def test_market_time_runs_faster(tmp_path: Path) -> None:
    clock = _clock(tmp_path / "clock.json")
    assert clock.market_time(MORNING + timedelta(seconds=30)) - clock.market_time(MORNING) == timedelta(
        hours=1
    )


def test_the_market_stands_still_while_it_is_stopped(tmp_path: Path) -> None:
    file, stopped = tmp_path / "clock.json", MORNING + timedelta(minutes=10)
    first = _clock(file)
    first.save(file, stopped, stopped=True)
    assert _clock(file, NIGHT).market_time(NIGHT) == first.market_time(stopped)


def test_another_speed_continues_from_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    first = _clock(file)
    first.save(file, NIGHT, stopped=True)
    slower = _clock(file, NIGHT, speed=1)
    assert slower.market_time(NIGHT) == first.market_time(NIGHT)
    assert slower.market_time(NIGHT + timedelta(hours=1)) == first.market_time(NIGHT) + timedelta(hours=1)


@pytest.mark.parametrize("downtime", [timedelta(0), timedelta(seconds=3), UNSEEN])
def test_after_a_crash_no_program_has_seen_a_later_time(tmp_path: Path, downtime: timedelta) -> None:
    file = tmp_path / "clock.json"
    first = _clock(file)
    first.save(file, MORNING)
    again = MORNING + downtime
    assert _clock(file, again).market_time(again) >= first.market_time(again)


def test_after_a_crash_a_night_is_not_made_up_for(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    first = _clock(file)
    first.save(file, MORNING)
    assert _clock(file, NIGHT).market_time(NIGHT) == first.market_time(MORNING + UNSEEN)


def test_a_wall_clock_that_was_set_back_does_not_turn_the_market_back(tmp_path: Path) -> None:
    file, earlier = tmp_path / "clock.json", MORNING - timedelta(hours=1)
    first = _clock(file)
    first.save(file, MORNING)
    assert _clock(file, earlier).market_time(earlier) >= first.market_time(MORNING)


def test_the_programs_compute_the_same_time_from_their_environment(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    _clock(file).save(file, MORNING + timedelta(seconds=1, microseconds=7), stopped=True)
    clock = _clock(file, NIGHT)
    given = clock.environment()
    wall_anchor = datetime.fromisoformat(given["CARDHOUR_CLOCK_WALL_ANCHOR"])
    market_anchor = datetime.fromisoformat(given["CARDHOUR_CLOCK_MARKET_ANCHOR"])
    later = NIGHT + timedelta(seconds=17)
    assert market_anchor + (later - wall_anchor) * int(given["CARDHOUR_CLOCK_SPEED"]) == clock.market_time(
        later
    )


@pytest.mark.parametrize("damage", ["", "{}", '{"market": 1}', "[]"])
def test_a_damaged_clock_is_one_clear_line(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "clock.json"
    file.write_text(damage)
    with pytest.raises(Problem, match="is damaged: make demo-reset"):
        _clock(file)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "fast", "100001"])
def test_a_speed_that_is_none(text: str) -> None:
    with pytest.raises(Problem, match="CARDHOUR_CLOCK_SPEED is "):
        parse_speed(text)
