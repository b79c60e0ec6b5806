"""The agents of all simulated sites: the real agent (``marketplace.agent``) with the driver `demo`.

    python -m demo.agent --url http://127.0.0.1:8000 --sites .data/demo-agents.json

One process with a few threads, each with sites of its own. The folder beside the list has a state folder for
each site's agent, with its identity, its buffer, its samples and its cards, as a real one has; it enrols by
the code of the list. So the process may be killed at any time, and goes on where it was.

In two things these agents differ from others. The market's clock runs fast, so they look not only every few
seconds but also when something begins, is over or is to be metered. And they do not wait at the exchange for
changes, for there are more of them than seats: where nothing is to be done they ask whether anything is new.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from demo.http import Exchange, connect, log, patiently
from demo.site_agent import Link, MarketTime, agent_of, next_moment
from marketplace.agent.errors import AgentError
from marketplace.agent.exchange import Clock, Unavailable
from marketplace.agent.reconciling import Reconciler, Turn

EVERY = 15.0
"""Wall seconds between two turns of a site, as of a real agent, where nothing happens before."""

SHORTEST_WAIT, LONGEST_WAIT = 0.5, 60.0
TURN_EVERY = 240.0
"""Wall seconds between two turns of a site at which nothing changes."""

REPORT_EVERY = 15.0
THREADS = 6
HEAD_START = 10.0


@dataclass(slots=True)
class Tally:
    """What the threads did since it was last read."""

    looks: int = 0
    took: list[float] = field(default_factory=list)
    late: float = 0.0
    deliveries: int = 0
    told: int = 0
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        line = f"{self.looks} looks, {self.late:.1f} s late at most"
        if self.took:
            took = sorted(self.took)
            line += (
                f"; {len(took)} turns, half of them within {took[len(took) // 2]:.2f} s, all within "
                f"{took[-1]:.2f} s: {self.deliveries} deliveries, {self.told} events told"
            )
        if self.problems:
            line += f"; {len(self.problems)} problems, first: {self.problems[0]}"
        return line


@dataclass(slots=True)
class Tallies:
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: Tally = field(default_factory=Tally)

    def read(self) -> Tally:
        with self.lock:
            tally, self.open = self.open, Tally()
        return tally


@dataclass(slots=True)
class Site:
    """Its agent begins at the first turn that finds it enrolled."""

    row: Mapping[str, Any]
    folder: Path
    agent: Reconciler | None = None
    waited: float = EVERY
    due: float = 0.0
    has_to: bool = False
    turned_at: float = 0.0

    def look(self, link: Link, opened: ExitStack) -> Turn | None:
        """A turn, where there is reason for one. ``AgentError`` is what kept it from its end."""
        if self.agent is None:
            self.agent = agent_of(self.row, self.folder, link, opened)
        elif self.is_quiet(self.agent):
            return None
        self.turned_at = time.monotonic()
        return self.agent.turn()

    def is_quiet(self, agent: Reconciler) -> bool:
        if self.has_to or time.monotonic() > self.turned_at + TURN_EVERY:
            return False
        known = agent.version
        agent.wait_for_change(0)
        return agent.version == known

    def plan(self, clock: Clock) -> None:
        """When the next turn is due, and whether there is something to do then, as far as is known."""
        seconds, self.has_to = self.waited, False
        if self.agent is not None and self.waited <= EVERY:
            now = clock.now().timestamp()
            until = max(SHORTEST_WAIT, (next_moment(self.agent, now) - now) / clock.speed)
            seconds, self.has_to = min(EVERY, until), until <= EVERY
        self.due = time.monotonic() + seconds


@dataclass(slots=True)
class Worker:
    """A thread with its sites: each is looked after when it is due, one after the other."""

    sites: Sequence[Site]
    link: Link
    tallies: Tallies
    stopped: threading.Event

    def run(self) -> None:
        """Until it is stopped. At first the sites are spread over the time between two turns."""
        began = time.monotonic()
        for number, site in enumerate(self.sites):
            site.due = began + EVERY * number / len(self.sites)
        with ExitStack() as opened:
            while True:
                site = self.next_site()
                if self.stopped.wait(max(0.0, site.due - time.monotonic())):
                    return
                self.look_after(site, opened)
                site.plan(self.link.time.told)

    def next_site(self) -> Site:
        """Where the machine is too busy to be in time, those with something to do come sooner."""
        now = time.monotonic()
        late = [site for site in self.sites if site.due <= now]
        return min(
            late or self.sites, key=lambda site: site.due - HEAD_START * (site.has_to and site.due <= now)
        )

    def look_after(self, site: Site, opened: ExitStack) -> None:
        """What fails is tried again, after longer each time."""
        began, failures = time.monotonic(), []
        try:
            turn = site.look(self.link, opened)
            site.waited = EVERY
        except AgentError as problem:
            turn = None if site.agent is None else site.agent.turn_now
            failures = [f"site {site.row['site']}: {problem}"]
            site.waited = min(site.waited * 2, LONGEST_WAIT)
        with self.tallies.lock:
            tally = self.tallies.open
            tally.looks += 1
            tally.late = max(tally.late, began - site.due)
            tally.problems += failures
            if turn is not None:
                tally.took.append(time.monotonic() - began)
                tally.deliveries += turn.deliveries
                tally.told += turn.told
                tally.problems += [f"site {site.row['site']}: D{pk}: {what}" for pk, what in turn.problems]


@dataclass(slots=True)
class Agents:
    """All sites of a list, with the threads that look after them."""

    workers: list[Worker]
    tallies: Tallies
    stopped: threading.Event
    exchange: Exchange
    time: MarketTime

    def keep_going(self) -> None:
        """Until it is interrupted; a thread that breaks ends all of them."""
        with ThreadPoolExecutor(len(self.workers)) as threads:
            running = [threads.submit(worker.run) for worker in self.workers]
            try:
                while not (done := wait(running, REPORT_EVERY, FIRST_COMPLETED).done):
                    log(self.tallies.read().line())
                    self.look_at_the_clock()
            finally:
                self.stopped.set()
            for future in done:
                future.result()

    def look_at_the_clock(self) -> None:
        try:
            self.time.told = self.exchange.clock()
        except Unavailable as outage:
            log(f"the clock: {outage}")


def agents_of(url: str, sites: Path, opened: ExitStack) -> Agents:
    """The agents of a list of sites, when the exchange has told what time it is."""
    exchange = Exchange(opened.enter_context(connect(url)))
    time, tallies, stopped = MarketTime(patiently(exchange.clock)), Tallies(), threading.Event()
    rows = json.loads(sites.read_text(encoding="utf-8"))
    folder = sites.with_suffix("")
    workers = []
    for first in range(min(THREADS, len(rows))):
        transport = opened.enter_context(httpx.HTTPTransport(trust_env=False))
        own = [Site(row, folder / str(row["site"])) for row in rows[first::THREADS]]
        workers.append(Worker(own, Link(url, transport, time), tallies, stopped))
    return Agents(workers, tallies, stopped, exchange, time)


def main() -> None:
    parser = argparse.ArgumentParser(description="The agents of all simulated sites")
    parser.add_argument("--url", required=True, help="the exchange, for example http://127.0.0.1:8000")
    parser.add_argument("--sites", type=Path, required=True, help="a list of sites, with codes and cards")
    options = parser.parse_args()
    with ExitStack() as opened:
        agents = agents_of(options.url, options.sites, opened)
        try:
            agents.keep_going()
        except KeyboardInterrupt:
            log("stopped")


if __name__ == "__main__":
    main()
