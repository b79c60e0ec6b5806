from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.duty_cycle import Series, busy_seconds, load_series
from demo.extract_trace import busy_seconds as whole_seconds

START = datetime(2026, 11, 23, 4, tzinfo=UTC)
moments = st.integers(0, 10_000_000).map(lambda seconds: START + timedelta(seconds=seconds))


def test_the_extract_is_as_idle_as_the_cluster_was() -> None:
    series = load_series()
    assert len(series) == 48
    busy = sum(one.before[-1] for one in series) / sum(60 * len(one.seconds) for one in series)
    assert busy == pytest.approx(0.0703, abs=0.002)


def test_cards_over_a_day_are_as_busy_as_the_extract() -> None:
    day = timedelta(days=1)
    busy = [busy_seconds(f"card-{n}", START, START + day) for n in range(2_000)]
    assert sum(busy) / len(busy) / day.total_seconds() == pytest.approx(0.07, abs=0.005)
    assert len(set(busy)) > 40


def test_a_card_behaves_the_same_each_time() -> None:
    hour = START + timedelta(hours=1)
    assert busy_seconds("a", START, hour) == busy_seconds("a", START, hour)
    assert busy_seconds("card-3", START, hour) == 504


@given(st.text(max_size=20), st.tuples(moments, moments, moments).map(sorted))
def test_adjoining_intervals_add_up(card: str, times: list[datetime]) -> None:
    first, middle, last = times
    whole = busy_seconds(card, first, last)
    assert busy_seconds(card, first, middle) + busy_seconds(card, middle, last) == whole
    assert 0 <= whole <= (last - first).total_seconds()


def test_a_series_begins_again_when_it_ends() -> None:
    series = Series((60, 0, 30), (0, 60, 60, 90))
    assert [series.until(second) for second in (30, 60, 120, 150, 180, 210)] == [30, 60, 60, 75, 90, 120]


def test_rounding_keeps_the_sum_of_a_day() -> None:
    assert whole_seconds([0.5] * 10) == [0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
    assert sum(whole_seconds([5.83] * 1440)) == round(5.83 * 0.6 * 1440)


def test_intervals_must_be_aware_and_in_order() -> None:
    with pytest.raises(ValueError, match="aware"):
        busy_seconds("a", START.replace(tzinfo=None), START)
    with pytest.raises(ValueError, match="ends before"):
        busy_seconds("a", START, START - timedelta(seconds=1))
