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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from marketplace.agent.identity import Identity, Key
from marketplace.agent.signing import SignedBy
from marketplace.agent.version import VERSION

EVENTS = "application/cloudevents-batch+json"
MOST_INTERVALS = 333
"""In one batch of events: three meters each, so less than a thousand events."""

MOST_STEPS = 200
LOOK_AGAIN = timedelta(minutes=20)
"""Of market time: what is sold begins at a full hour, and is agreed some time before."""

HEARD_EVERY = 240.0
"""Wall seconds. A site whose agent is not heard for a quarter of an hour goes off the market."""

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
class SiteAgent:
    """The agent of one site."""

    name: str
    exchange: Exchange
    accepted: Accepted
    clock: MarketTime | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    catch_up: bool = True
    heard_at: float | None = None
    done: Counter[str] = field(default_factory=Counter)

    def counted(self) -> Counter[str]:
        """What was done since it was asked last."""
        done, self.done = self.done, Counter()
        return done

    def meter_known(self) -> None:
        """Report the usage of what was active when it was asked last."""
        if self.clock is not None:
            self._meter(self.deliveries, self.clock.now())

    def ask(self) -> None:
        """Ask what is to be done, and report the usage of what is active and was not known."""
        pages = list(self.exchange.pages("/api/v1/agent/deliveries"))
        self.clock, self.deliveries = MarketTime.of(pages[-1]), _deliveries(pages)
        self.done["deliveries"] += len(self.deliveries)
        now = self.clock.now()
        if self.heard_at is None or time.monotonic() - self.heard_at > HEARD_EVERY / 2:
            self._tell_how_it_is(now)
        over = self._over(now - CATCH_UP) if self.catch_up else []
        self.catch_up = False
        self._meter([*self.deliveries, *over], now)

    def _tell_how_it_is(self, now: datetime) -> None:
        told = {
            "version": VERSION,
            "driver": "demo",
            "unsent": 0,
            "unsent_since": None,
            "reconciled_at": now.isoformat(),
            "site_time": int(time.time()),
        }
        self.exchange.post("/api/v1/agent/heartbeat", told)
        self.heard_at = time.monotonic()

    def move_on(self) -> float:
        """Report the steps that were taken; returns how many seconds may pass before the next turn."""
        if self.clock is None:
            return 0.0
        now = self.clock.now()
        steps = [(d, step) for d in self.deliveries for step in steps_until(d, now)]
        ended = [(d, Step("ended", d.ends_at)) for d in self.deliveries if self._is_over(d)]
        self._take_steps(steps + ended)
        due = [due_at(delivery, now) for delivery in self.deliveries]
        return min(self.clock.seconds_until(min(due, default=now + LOOK_AGAIN)), HEARD_EVERY)

    def _over(self, since: datetime) -> list[Delivery]:
        """What ended without us, with usage that may not have been accepted."""
        pages = self.exchange.pages("/api/v1/agent/deliveries", over_since=since.isoformat())
        return _deliveries(pages)

    def _is_over(self, delivery: Delivery) -> bool:
        until = self.accepted.until.get(delivery.id)
        return delivery.state == "active" and until is not None and until >= delivery.ends_at

    def _meter(self, deliveries: Iterable[Delivery], now: datetime) -> None:
        """A delivery with an event that was turned down is metered again, from fresh facts."""
        turned_down: set[int] = set()
        for batch in chunks(self._unmetered(deliveries, now), MOST_INTERVALS):
            made = [(d.id, event) for d, interval in batch for event in events(d, interval)]
            results = self._send([event for _, event in made])
            turned_down |= {pk for (pk, _), well in zip(made, results, strict=True) if not well}
            for delivery, interval in batch:
                if delivery.id not in turned_down:
                    self.accepted.note(delivery, interval.ends_at)
        self.catch_up = self.catch_up or bool(turned_down)

    def _unmetered(
        self, deliveries: Iterable[Delivery], now: datetime
    ) -> Iterator[tuple[Delivery, Interval]]:
        for delivery in deliveries:
            for interval in intervals(delivery, self.accepted.until.get(delivery.id), now):
                yield delivery, interval

    def _send(self, batch: list[dict[str, Any]]) -> list[bool]:
        """Whether each event is stored now."""
        answer = self.exchange.post("/api/v1/meter-events", batch, media_type=EVENTS)
        stored = [result["status"] in {"accepted", "duplicate"} for result in answer["results"]]
        for result, well in zip(answer["results"], stored, strict=True):
            self.done[result["status"]] += 1
            if not well:
                log(f"event {result['id']} {result['status']}: {result['reason']}")
        return stored

    def _take_steps(self, steps: Iterable[tuple[Delivery, Step]]) -> None:
        for batch in chunks(steps, MOST_STEPS):
            body = {"transitions": [step.body(delivery) for delivery, step in batch]}
            for result in self.exchange.post("/api/v1/agent/transitions", body)["results"]:
                self.done["steps" if result["status"] == 200 else "steps refused"] += 1
                if result["status"] != 200:
                    log(f"D{result['delivery']} not {result['to']}: {result['problem'].get('detail')}")


@dataclass(slots=True)
class Agents:
    """Each looked after when something is due for it."""

    sites: list[SiteAgent]
    due: dict[str, float] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    def turn(self) -> float:
        """Look after every site that is due; returns how many seconds to wait."""
        began = time.monotonic()
        agents = [agent for agent in self.sites if self.due.get(agent.name, began) <= began]
        failures: list[str] = []
        # Usage comes first, for it is rated soon after its hour; a step says itself when it was.
        for what in (SiteAgent.meter_known, SiteAgent.ask, self._move_on):
            agents = [agent for agent in agents if self._does(what, agent, failures)]
        counts = sum((agent.counted() for agent in self.sites), Counter[str]())
        log(_line(len(agents), counts, time.monotonic() - began, failures))
        if failures:
            return self.patience.failed()
        self.patience.succeeded()
        wait = min(self.due.values(), default=0.0) - time.monotonic()
        return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)

    def _move_on(self, agent: SiteAgent) -> None:
        self.due[agent.name] = agent.move_on() + time.monotonic()

    def _does(self, what: Callable[[SiteAgent], None], agent: SiteAgent, failures: list[str]) -> bool:
        """Whether it worked. What was not done is done the next time."""
        try:
            what(agent)
        except (Unavailable, Refused) as error:
            agent.catch_up = True
            failures.append(f"{agent.name}: {error}")
            return False
        finally:
            agent.accepted.save()
        return True


def _line(sites: int, counts: Counter[str], took: float, failures: list[str]) -> str:
    done = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    problem = f"; {len(failures)} failed, first {failures[0]}" if failures else ""
    return f"{sites} sites in {took:.1f} s: {done or 'nothing to do'}{problem}"


def agents_of(client: httpx.Client, tokens: Path) -> Agents:
    """The agents that a file of tokens and keys is for."""
    accepted = Accepted.load(tokens.with_name(f"{tokens.stem}-state.json"))
    rows = json.loads(tokens.read_text(encoding="utf-8"))
    return Agents([SiteAgent(f"site {row['site']}", _exchange(client, row), accepted) for row in rows])


def _exchange(client: httpx.Client, row: Mapping[str, Any]) -> Exchange:
    identity = Identity(str(client.base_url), Key(row["key"]), row["token"])
    return Exchange(client, identity.token, SignedBy(lambda: identity))


def main() -> None:
    parser = argparse.ArgumentParser(description="The agents of all simulated sites")
    parser.add_argument("--url", required=True, help="the exchange, for example http://127.0.0.1:8000")
    parser.add_argument("--tokens", type=Path, required=True, help="a list of {site, token, key}")
    options = parser.parse_args()
    with connect(options.url) as client:
        keep_going(agents_of(client, options.tokens).turn)


def _deliveries(pages: Iterable[dict[str, Any]]) -> list[Delivery]:
    return [Delivery.of(row) for page in pages for row in page["results"]]


def due_at(delivery: Delivery, now: datetime) -> datetime:
    """When there is something to do for a delivery: its next usage, or its beginning.

    Provisioning and acceptance are reported when there is another reason to ask.
    """
    step = next_step(delivery, now)
    if step is None:
        return min(cell_end(now), max(delivery.ends_at, now))
    return min(now + LOOK_AGAIN, max(step.at, now) if step.to == "active" else delivery.starts_at)


if __name__ == "__main__":
    main()
