"""Numbers as Slurm writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agent.errors import Unreadable
from marketplace.agent.slurm.formats import cards, count, duration, moment, tres


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("8", 8),
        ("0", 0),
        ("62.50G", 62.5 * 2**30),
        ("1P", 2**50),
        ("2000M", 2000 * 2**20),
        ("4k", 4096),
        ("1.5T", 1.5 * 2**40),
        ("3E", 3 * 2**60),
    ],
)
def test_figures(text: str, figure: float) -> None:
    assert count(text) == Decimal(figure)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:00", 0),
        ("05:09", 309),
        ("01:00:00", 3600),
        ("40-00:00:00", 40 * 86_400),
        ("2-03", 2 * 86_400 + 3 * 3600),
        ("1-02:03", 86_400 + 2 * 3600 + 3 * 60),
        ("00:04.125", 4),
        ("123:00:01", 123 * 3600 + 1),
        ("30", 1800),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@given(st.integers(0, 10**8))
def test_a_duration_is_read_as_slurm_writes_it(seconds: int) -> None:
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    assert duration(f"{days}-{clock}" if days else clock) == seconds


@pytest.mark.parametrize("text", ["", "G", "1.G", "1X", "-1", "1e9", "8 cards"])
def test_what_is_no_figure(text: str) -> None:
    with pytest.raises(Unreadable):
        count(text)


@pytest.mark.parametrize("text", ["", "INVALID", "1:2:3:4", "-1:00", "UNLIMITED"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Unreadable):
        duration(text)


def test_moments() -> None:
    assert moment("1795365653") == 1_795_365_653
    assert [moment(text) for text in ("Unknown", "None", "")] == [None, None, None]
    with pytest.raises(Unreadable, match="2026"):
        moment("2026-11-22T16:40:18")


def test_resources() -> None:
    found = tres("billing=1,cpu=1,gres/gpu:ascend910b=2,gres/gpu=2,mem=62.50G,node=1")
    assert found["mem"] == Decimal(67_108_864_000)
    assert cards(found, "gpu:ascend910b") == 2
    assert cards(found, "gpu") == 2
    assert tres("") == {}
