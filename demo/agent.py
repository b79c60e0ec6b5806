"""The agents of all simulated sites, in one process that knows the exchange only by its API.

    python -m demo.agent --url http://127.0.0.1:8000 --tokens .data/demo-agents.json

Whatever it knows comes from the exchange's answers. The file beside the tokens only remembers how far
each delivery's usage was accepted; without it everything of the last day is sent again, and recognised.
So the process may be killed at any time: nothing is lost and nothing counted twice.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from demo.agent_meters import Interval, cell_end, events, intervals
from demo.agent_steps import Delivery, Step, next_step, steps_until
from demo.http import (
    Exchange,
    MarketTime,
    Patience,
    Refused,
    Unavailable,
    chunks,
    connect,
    keep_going,
    log,
    moment,
    read_json,
    write_json,
)

EVENTS = "application/cloudevents-batch+json"
MOST_INTERVALS = 333
"""In one batch of events: three meters each, so less than a thousand events."""

MOST_STEPS = 200
LOOK_AGAIN = timedelta(minutes=10)
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 60.0
CATCH_UP = timedelta(hours=24)
FORGET = timedelta(hours=48)
"""Usage of a delivery that is over is caught up on for a day, so it is remembered for two."""


@dataclass(slots=True)
class Accepted:
    """Until when each delivery's usage was accepted; on disk after each turn that changed it."""

    path: Path
    until: dict[int, datetime] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def load(cls, path: Path) -> Accepted:
        kept = read_json(path) or {}
        return cls(path, {int(delivery): moment(until) for delivery, until in kept.items()})

    def note(self, delivery: Delivery, until: datetime) -> None:
        self.until[delivery.id] = until
        self.changed = True

    def save(self) -> None:
        if not self.changed:
            return
        newest = max(self.until.values())
        self.until = {delivery: until for delivery, until in self.until.items() if until > newest - FORGET}
        write_json(self.path, {str(delivery): until.isoformat() for delivery, until in self.until.items()})
        self.changed = False


@dataclass(slots=True)
class Owner:
    """The agent of one owner's sites."""

    name: str
    exchange: Exchange
    accepted: Accepted
    catch_up: bool = True
    done: Counter[str] = field(default_factory=Counter)

    def counted(self) -> Counter[str]:
        """What was done since it was asked last."""
        done, self.done = self.done, Counter()
        return done

    def turn(self) -> tuple[MarketTime, datetime]:
        """Do what is due now; returns the market's clock and when to look again."""
        clock, deliveries = self._poll()
        now = clock.now()
        self.done["deliveries"] += len(deliveries)
        self._take_steps((d, step) for d in deliveries for step in steps_until(d, now))
        metered = [d for d in deliveries if d.active_from is not None]
        if self.catch_up:
            metered += self._over(now - CATCH_UP)
        self._meter(metered, now)
        self._take_steps((d, Step("ended", d.ends_at)) for d in metered if self._is_over(d))
        self.catch_up = False
        return clock, min((_due(delivery, now) for delivery in deliveries), default=now + LOOK_AGAIN)

    def _poll(self) -> tuple[MarketTime, list[Delivery]]:
        pages = list(self.exchange.pages("/api/v1/agent/deliveries"))
        return MarketTime.of(pages[-1]), _deliveries(pages)

    def _over(self, since: datetime) -> list[Delivery]:
        """What ended without us, with usage that may not have been accepted."""
        pages = self.exchange.pages("/api/v1/agent/deliveries", over_since=since.isoformat())
        return _deliveries(pages)

    def _is_over(self, delivery: Delivery) -> bool:
        until = self.accepted.until.get(delivery.id)
        return delivery.state == "active" and until is not None and until >= delivery.ends_at

    def _meter(self, deliveries: Iterable[Delivery], now: datetime) -> None:
        for batch in chunks(self._unmetered(deliveries, now), MOST_INTERVALS):
            self._send([event for delivery, interval in batch for event in events(delivery, interval)])
            for delivery, interval in batch:
                self.accepted.note(delivery, interval.ends_at)

    def _unmetered(
        self, deliveries: Iterable[Delivery], now: datetime
    ) -> Iterator[tuple[Delivery, Interval]]:
        for delivery in deliveries:
            for interval in intervals(delivery, self.accepted.until.get(delivery.id), now):
                yield delivery, interval

    def _send(self, batch: list[dict[str, Any]]) -> None:
        answer = self.exchange.post("/api/v1/meter-events", batch, media_type=EVENTS)
        for result in answer["results"]:
            self.done[result["status"]] += 1
            if result["status"] not in {"accepted", "duplicate"}:
                log(f"event {result['id']} {result['status']}: {result['reason']}")

    def _take_steps(self, steps: Iterable[tuple[Delivery, Step]]) -> None:
        for batch in chunks(steps, MOST_STEPS):
            body = {"transitions": [step.body(delivery) for delivery, step in batch]}
            for result in self.exchange.post("/api/v1/agent/transitions", body)["results"]:
                self.done["steps" if result["status"] == 200 else "steps refused"] += 1
                if result["status"] != 200:
                    log(f"D{result['delivery']} not {result['to']}: {result['problem'].get('detail')}")


@dataclass(slots=True)
class Agents:
    """The agents of all owners, each looked after when something is due for it."""

    owners: list[Owner]
    due: dict[str, float] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    def turn(self) -> float:
        """Look after every owner that is due; returns how many seconds to wait."""
        began = time.monotonic()
        looked_after = [owner for owner in self.owners if self.due.get(owner.name, began) <= began]
        failures = [problem for owner in looked_after if (problem := self._look_after(owner))]
        took = time.monotonic() - began
        counts = sum((owner.counted() for owner in looked_after), Counter[str]())
        log(_line(len(looked_after), counts, took, failures))
        if failures:
            return self.patience.failed()
        self.patience.succeeded()
        wait = min(self.due.values(), default=0.0) - time.monotonic()
        return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)

    def _look_after(self, owner: Owner) -> str:
        """What went wrong, or nothing. What was not done is done the next time."""
        try:
            clock, due = owner.turn()
        except (Unavailable, Refused) as error:
            owner.catch_up = True
            return f"{owner.name}: {error}"
        finally:
            owner.accepted.save()
        self.due[owner.name] = time.monotonic() + clock.seconds_until(due)
        return ""


def _line(owners: int, counts: Counter[str], took: float, failures: list[str]) -> str:
    done = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    problem = f"; {len(failures)} failed, first {failures[0]}" if failures else ""
    return f"{owners} owners in {took:.1f} s: {done or 'nothing to do'}{problem}"


def agents_of(client: httpx.Client, tokens: Path) -> Agents:
    """The agents that a file of tokens is for."""
    accepted = Accepted.load(tokens.with_name(f"{tokens.stem}-state.json"))
    rows = json.loads(tokens.read_text(encoding="utf-8"))
    return Agents([Owner(str(row["organisation"]), Exchange(client, row["token"]), accepted) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="The agents of all simulated sites")
    parser.add_argument("--url", required=True, help="the exchange, for example http://127.0.0.1:8000")
    parser.add_argument("--tokens", type=Path, required=True, help="a list of {organisation, token}")
    options = parser.parse_args()
    with connect(options.url) as client:
        keep_going(agents_of(client, options.tokens).turn)


def _deliveries(pages: Iterable[dict[str, Any]]) -> list[Delivery]:
    return [Delivery.of(row) for page in pages for row in page["results"]]


def _due(delivery: Delivery, now: datetime) -> datetime:
    """When there is something to do for a delivery, after ``now``."""
    step = next_step(delivery, now)
    if step is not None:
        return max(step.at, now)
    return min(cell_end(now), max(delivery.ends_at, now))


if __name__ == "__main__":
    main()
