"""`cardhour-agent doctor`: everything that the agent needs, looked at, and in words what is wrong with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx

from marketplace.agent.buffer import Buffer
from marketplace.agent.configuration import Configuration
from marketplace.agent.errors import AgentError, SiteProblem
from marketplace.agent.exchange import Exchange, Refused, connect
from marketplace.agent.signing import SignedBy
from marketplace.agent.telemetry.sources import Source

Check = Callable[[], str]
MOST_SKEW = 2
LEAST_FREE = 512 * 2**20
LOOK_BACK = 300
REFUSALS = {
    "authentication_failed": (
        "It does not take this agent's token: the agent was revoked, or another one enrolled in its place. "
        "To enrol anew, move {identity} away and ask an administrator for a code."
    ),
    "signature_key_unknown": (
        "It does not know this key: the key was changed elsewhere. If a rotation was cut short, run "
        "cardhour-agent rotate-key again; otherwise move {identity} away and enrol anew."
    ),
}


def findings(configuration: Configuration) -> Iterator[tuple[bool, str]]:
    """Of each check whether all is well, and a line."""
    for name, check in Doctor(configuration).checks():
        try:
            yield True, f"ok      {name}: {check()}"
        except AgentError as problem:
            yield False, f"WRONG   {name}: {problem}"


@dataclass(frozen=True, slots=True)
class Doctor:
    """Each check says what it found, or raises what is wrong."""

    site: Configuration

    def checks(self) -> Iterator[tuple[str, Check]]:
        yield "configuration", lambda: f"driver {self.site.driver}"
        yield "key", self.key
        yield "exchange", self.exchange
        yield "clock", self.clock
        yield "buffer", self.buffer
        yield "disk", self.disk
        yield self.site.driver, self.driver
        for source in self.site.sources():
            yield f"cards at {source.url}", partial(cards_at, source)

    def key(self) -> str:
        identity = self.site.identity()
        if identity.next_key is not None:
            raise SiteProblem("A rotation was cut short: run cardhour-agent rotate-key again.")
        return f"{identity.key.name[:12]}…, with a token, in {self.site.identity_file}"

    def exchange(self) -> str:
        with self._client() as client:
            try:
                told = Exchange(client).self()
            except Refused as refusal:
                words = REFUSALS.get(refusal.code, str(refusal))
                raise SiteProblem(words.format(identity=self.site.identity_file)) from refusal
            rows = Exchange(client).deliveries()[1]
        return f"it takes token and key, for {told['site_name']}; {len(rows)} deliveries to look after"

    def clock(self) -> str:
        with self._client() as client:
            theirs = Exchange(client).deliveries()[0]
        ahead = round(time.time() - theirs.now().timestamp())
        if theirs.speed == 1 and abs(ahead) > MOST_SKEW:
            raise SiteProblem(
                f"This clock is {ahead} seconds ahead of the exchange's. The agent reckons with that, but "
                "the hour in which it is set right is off by as much: set up NTP."
            )
        return "as the exchange's" if theirs.speed == 1 else "not compared: a demo's runs faster"

    def buffer(self) -> str:
        self.site.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = Buffer.open(self.site.state / "buffer.sqlite3")
        waiting, refused = kept.waiting(), len(kept.refused())
        kept.close()
        if refused:
            raise SiteProblem(f"The exchange refused {refused} events: cardhour-agent status")
        return f"{waiting} events wait"

    def disk(self) -> str:
        free = shutil.disk_usage(self.site.state).free
        if free < LEAST_FREE:
            raise SiteProblem(
                f"{free // 2**20} MiB are free at {self.site.state}: usage of an outage may not fit. "
                f"Free {LEAST_FREE // 2**20} MiB."
            )
        return f"{free // 2**20} MiB are free at {self.site.state}"

    def driver(self) -> str:
        return f"{len(self.site.make_driver().present())} deliveries are set up"

    def _client(self) -> httpx.Client:
        return connect(self.site.identity().url, SignedBy(self.site.identity))


def cards_at(source: Source) -> str:
    now = int(time.time())
    samples = source.samples(since=now - LOOK_BACK, now=now)
    cards = {one.card for one in samples}
    if not cards:
        raise SiteProblem("It answers, and tells nothing of cards: is it the exporter of the accelerators?")
    return f"it tells of {len(cards)} cards"
