"""A live exchange whose clock the test turns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from marketplace.clock import MarketClock
from tests.cast import Cast
from tests.conftest import NOW


@dataclass
class Hands:
    """The market's clock: it stands where it is put."""

    now: datetime = NOW

    def set(self, moment: datetime) -> None:
        self.now = moment

    def turn(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(MarketClock, "now", lambda _clock: hands.now)
    return hands


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The same cast, committed: the live server reads it from connections of its own."""
    return Cast()
