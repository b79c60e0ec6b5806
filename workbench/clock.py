"""The market's clock in the demo: it runs faster than ours and stands still while the demo is stopped.

    market time = market anchor + (wall time - wall anchor) × speed

The processes get the anchors in their environment and compute the rest themselves; `clock.json` keeps the
last market time, from which the next run continues.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Self

from workbench.preflight import Problem

SPEED_VARIABLE = "CARDHOUR_CLOCK_SPEED"
DEMO_SPEED = 120
FIRST_MORNING = time(4, 40, tzinfo=UTC)
# After a crash the programs may have gone on for this long since the last save.
UNSEEN = timedelta(seconds=60)


@dataclass(frozen=True)
class MarketClock:
    wall_anchor: datetime
    market_anchor: datetime
    speed: int

    @classmethod
    def resume(cls, file: Path, *, speed: int, wall: datetime) -> Self:
        return cls(wall_anchor=wall, market_anchor=_last_market_time(file, wall), speed=speed)

    def market_time(self, wall: datetime) -> datetime:
        return self.market_anchor + (wall - self.wall_anchor) * self.speed

    def environment(self) -> dict[str, str]:
        return {
            SPEED_VARIABLE: str(self.speed),
            "CARDHOUR_CLOCK_WALL_ANCHOR": self.wall_anchor.isoformat(),
            "CARDHOUR_CLOCK_MARKET_ANCHOR": self.market_anchor.isoformat(),
        }

    def save(self, file: Path, wall: datetime, *, stopped: bool = False) -> None:
        """`stopped`: nothing reads this clock any more, so what is saved is exact."""
        state = {
            "market": self.market_time(wall).isoformat(),
            "wall": wall.isoformat(),
            "speed": self.speed,
            "stopped": stopped,
        }
        fresh = file.with_suffix(".new")
        with fresh.open("w") as output:
            json.dump(state, output)
            output.flush()
            os.fsync(output.fileno())
        fresh.replace(file)


def _last_market_time(file: Path, wall: datetime) -> datetime:
    """Never before a market time that some program may have seen."""
    try:
        state = json.loads(file.read_text())
        market, saved = datetime.fromisoformat(state["market"]), datetime.fromisoformat(state["wall"])
        speed, stopped = int(state["speed"]), bool(state["stopped"])
    except FileNotFoundError:
        return datetime.combine(wall.astimezone(UTC).date(), FIRST_MORNING)
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(f"{file} is damaged: make demo-reset starts afresh.") from error
    if stopped:
        return market
    return market + min(max(wall - saved, timedelta(0)), UNSEEN) * speed


def parse_speed(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 100_000:
        raise Problem(f"{SPEED_VARIABLE} is {text!r}: give a whole number, as in 120 times faster.")
    return int(text)
