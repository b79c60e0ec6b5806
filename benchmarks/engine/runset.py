"""All peers on one market, each in a process of its own, one after another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.engine.machine import Machine, describe, load
from benchmarks.engine.peers import LIMITED, OURS, PEERS, Outcome
from benchmarks.engine.scarcity import demand_per_supply
from marketplace.engine import Snapshot, digest

SECONDS = 60.0
"""Of processor time, for each peer that searches on until it is stopped."""

LONGEST = 3600.0
"""Seconds by the clock for any peer; whoever is not done by then has no figures."""


@dataclass(frozen=True, slots=True)
class Market:
    """Which market it is. ``ratio`` is its scarcity, ``card_hours`` are free, ``snapshot`` is the digest."""

    instance: str
    regime: str
    seed: int
    size: str
    snapshot: str
    ratio: float
    requests: int
    card_hours: int


@dataclass(frozen=True, slots=True)
class Row:
    """A peer's outcome; ``limit`` is the processor time that it was given, ``load`` that of the machine."""

    outcome: Outcome
    date: str
    load: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class RunSet:
    market: Market
    command: str
    machine: Machine
    rows: tuple[Row, ...]

    def of(self, peer: str) -> Outcome | None:
        return next((row.outcome for row in self.rows if row.outcome.peer == peer), None)

    @property
    def ours(self) -> Outcome | None:
        return self.of(OURS)

    @property
    def best_bound(self) -> tuple[str, float] | None:
        """The smallest upper bound that is known, and whose it is."""
        known = [(row.outcome.bound, row.outcome.peer) for row in self.rows if row.outcome.bound is not None]
        bound, peer = min(known, default=(None, ""))
        return None if bound is None else (peer, bound)

    def renewed(self, newer: RunSet) -> RunSet:
        """The newer one, and with it what is known of its market and machine from other peers."""
        if newer.market.snapshot != self.market.snapshot or newer.machine != self.machine:
            return newer
        kept = (row for row in self.rows if newer.of(row.outcome.peer) is None)
        rows = sorted([*kept, *newer.rows], key=lambda row: PEERS.index(row.outcome.peer))
        return replace(newer, rows=tuple(rows))


def describe_market(path: Path, instance: str, regime: str, seed: int) -> Market:
    data = path.read_bytes()
    snapshot = msgspec.json.decode(data, type=Snapshot)
    return Market(
        instance=instance,
        regime=regime,
        seed=seed,
        size=f"{len(snapshot.requests):,} × {len(snapshot.offers):,} × {snapshot.slots}",
        snapshot=digest(data),
        ratio=demand_per_supply(snapshot),
        requests=len(snapshot.requests),
        card_hours=sum(sum(offer.free) for offer in snapshot.offers),
    )


def run(market: Market, path: Path, command: str, peers: Iterable[str], seconds: float) -> RunSet:
    rows = [_row(peer, path, seconds) for peer in peers]
    return RunSet(market, command, describe(), tuple(rows))


def _row(peer: str, path: Path, seconds: float) -> Row:
    print(f"{path.stem}: {peer}", file=sys.stderr, flush=True)
    outcome = run_peer(peer, path, seconds)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return Row(outcome, today, load(), seconds if peer in LIMITED else None)


def run_peer(peer: str, path: Path, seconds: float) -> Outcome:
    """The peer's outcome, or one that says why there is none."""
    command = [sys.executable, "-m", "benchmarks.engine.peers", peer, str(path), str(seconds)]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Outcome(peer, note=f"stopped after {LONGEST:.0f} s: no figures")
    if ended.returncode:
        return Outcome(peer, note=_failure(ended.returncode, ended.stderr.decode()))
    return msgspec.json.decode(ended.stdout, type=Outcome)


def _failure(status: int, errors: str) -> str:
    print(errors, file=sys.stderr)
    last: Sequence[str] = errors.strip().splitlines()[-1:] or [f"exit status {status}"]
    return f"failed: {last[0]}"
