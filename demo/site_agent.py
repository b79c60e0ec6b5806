"""One simulated site: the real agent, with the driver `demo` and everything that it needs in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.draw import between, chance
from demo.driver import Cards, DemoDriver
from demo.exporter import DutyCycles, Leases
from demo.plants import Plant
from marketplace.agent.buffer import Buffer
from marketplace.agent.configuration import IDENTITY
from marketplace.agent.deliveries import BEFORE, Delivery
from marketplace.agent.enrolling import enrol
from marketplace.agent.exchange import Clock, Exchange, connect
from marketplace.agent.identity import Identity
from marketplace.agent.network import ATTEMPTS, Trip
from marketplace.agent.reconciling import SETTLE, Reconciler
from marketplace.agent.signing import SignedBy
from marketplace.agent.telemetry.collecting import Telemetry
from marketplace.agent.telemetry.store import Samples
from marketplace.agent.usage import cells

HEARD_EVERY = 240.0
NETWORK_EVERY = 600.0
"""Wall seconds. A measurement is fresh for a day of the market, which is twelve minutes."""

LOOK_BACK = 6 * 3_600
KEPT = 12 * 3_600
"""Seconds of market time. A turn that comes half a minute late comes an hour late."""


@dataclass(slots=True)
class MarketTime:
    """The market's clock, as the exchange told it last. All simulated sites live by it."""

    told: Clock

    def __call__(self) -> float:
        return self.told.now().timestamp()


@dataclass(frozen=True, slots=True)
class Link:
    """What sites share: the way to the exchange, and the time."""

    url: str
    transport: httpx.BaseTransport
    time: MarketTime


def agent_of(row: Mapping[str, Any], folder: Path, link: Link, opened: ExitStack) -> Reconciler:
    """The agent of a row of the list of sites, enrolled before or by the code there.

    Its files are closed with ``opened``, by the thread that called. ``AgentError`` where it cannot begin.
    """
    identity = _identity(str(row["code"]), folder / IDENTITY, link)
    site = str(row["site"])
    models = {name: Cards(**told) for name, told in row["models"].items()}
    driver = DemoDriver(folder / "cards", site, models, Plant(row["plant"]) if row["plant"] else None)
    buffer = Buffer.open(folder / "buffer.sqlite3")
    opened.callback(buffer.close)
    samples = Samples.open(folder / "samples.sqlite3")
    opened.callback(samples.close)
    # Under the address that the demo has today, which the identity may not know.
    client = connect(link.url, SignedBy(lambda: identity), transport=link.transport)
    return Reconciler(
        Exchange(client),
        driver,
        buffer,
        clock=link.time,
        heard_every=HEARD_EVERY,
        network_every=NETWORK_EVERY,
        measure=Distances(site, row["round_trips"]).measure,
        driver_name="demo",
        telemetry=Telemetry([DutyCycles(driver)], Leases(driver), samples, LOOK_BACK, KEPT),
    )


def next_moment(agent: Reconciler, now: float) -> float:
    """When there is something to do next, as far as is known at the site; infinite where nothing is."""
    due = map(Delivery.of, agent.buffer.remembered())
    return min((at for one in due for at in _moments(one) if at > now), default=float("inf"))


def _moments(delivery: Delivery) -> Iterator[int]:
    if delivery.state in BEFORE:
        yield delivery.window.since
    if delivery.metered is not None:
        yield from (cell.until + SETTLE for cell in cells(delivery.metered))


def _identity(code: str, path: Path, link: Link) -> Identity:
    known = Identity.read_unfinished(path)
    if known is None or not known.token:
        enrol(link.url, code, path, transport=link.transport)
    return Identity.read(path)


@dataclass(frozen=True, slots=True)
class Distances:
    """Round trips, invented: the estimate from the distance, a little different for each site."""

    site: str
    estimates: Mapping[str, int]

    def measure(self, address: str) -> Trip:
        """Probes of the demo are called after their regions."""
        region = address.partition(".")[0]
        drawn = between(chance("round trip", self.site, region), "0.85", "1.20", "1.00")
        return Trip(max(1, int(self.estimates[region] * drawn)), ATTEMPTS, 0)
