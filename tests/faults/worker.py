"""Runs the market in a process of its own and stands still at one step, to be killed there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from accounts.actors import task_actor  # noqa: E402
from marketplace.agreements import services as agreements  # noqa: E402
from marketplace.clearing import services as clearing  # noqa: E402
from marketplace.clock import MarketClock  # noqa: E402

STEPS: dict[str, tuple[Any, str]] = {
    "take_snapshot": (clearing, "take_snapshot"),
    "compute": (clearing, "compute"),
    "commit": (clearing, "commit"),
    "conclude": (agreements, "conclude"),
}


class StoppedClock(MarketClock):
    def now(self) -> datetime:
        return self.market_anchor


def stand_still_at(step: str) -> None:
    module, name = STEPS[step]
    real: Callable[..., Any] = getattr(module, name)

    def stand_still(*args: Any, **kwargs: Any) -> Any:
        # Inside a transaction the step's work is done first, so that there is something to lose.
        result = real(*args, **kwargs)
        print(step, flush=True)
        time.sleep(60)
        return result

    setattr(module, name, stand_still)


if __name__ == "__main__":
    step, moment = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    stand_still_at(step)
    clock = StoppedClock(wall_anchor=moment, market_anchor=moment, speed=1)
    agreements.run_market(clock=clock, actor=task_actor("a worker"))
