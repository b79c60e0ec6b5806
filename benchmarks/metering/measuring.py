"""The rounds: each kind of batch in turn, over HTTP and with COPY alone, on the same machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
from django.db import connection

from benchmarks.engine.machine import describe, load
from benchmarks.metering import scene
from benchmarks.metering.baseline import Baseline
from benchmarks.metering.client import Client, server
from benchmarks.metering.processor import IS_COUNTED, Meter, children
from benchmarks.metering.records import Latencies, Measured
from benchmarks.metering.stream import START, Stream
from billing.metering.partitions import make_missing, month_of

# Batches of each size in a round.
BATCHES = {1: 150, 100: 40, 1_000: 12, 10_000: 2}
DUPLICATES = (0, 10, 100)
# Batches of 1,000 before the first round: they fill caches and pools, and there is something to send again.
WARM_UP = 15
# What is written for an event over HTTP. Rows of the baseline lie in the first two as well.
TABLES = ("metering_reading", "metering_eventkey", "metering_meteredhour", "metering_changedslot")


def measure(*, rounds: int, seed: int) -> Measured:
    found = scene.make()
    make_missing([month_of(START)])
    sends = [Latencies(size, duplicates, 1) for size in BATCHES for duplicates in DUPLICATES]
    sends.append(Latencies(1_000, 0, 2))
    copies = [Latencies(size, 0, 1) for size in BATCHES]
    sent, copied = (Stream(found.site, found.deliveries, name=name, seed=seed) for name in ("http", "copy"))
    with ExitStack() as stack:
        port, master = stack.enter_context(server())
        clients = [Client(port, found.identity) for _ in range(2)]
        writing = stack.enter_context(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True))
        baseline = Baseline(writing, found.token)
        watch = _Watch(master)
        for _ in range(WARM_UP):
            clients[0].seconds(sent.batch(1_000, 0), duplicates=0)
            baseline.seconds(baseline.encoded(copied.batch(1_000, 0)))
        for number in range(1, rounds + 1):
            for kind in sends:
                _send(kind, clients, sent, watch)
            for kind in copies:
                _copy(kind, baseline, copied, watch)
            print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
        server_version = writing.info.server_version // 10_000
    return Measured(
        command="make bench-metering",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{describe()}, PostgreSQL {server_version}",
        load=load(),
        seed=seed,
        body=round(sum(map(len, sent.new(1_000))) / 1_000),
        sends=sends,
        copies=copies,
        sizes=_sizes(),
    )


class _Watch:
    """The processes that take part: ours, the web server's and the database's."""

    def __init__(self, master: int) -> None:
        self._master, self._meter = master, Meter()

    def seconds(self) -> float:
        """Processor time since the last look."""
        return self._meter.seconds([*children(self._master), *self._backends()]) if IS_COUNTED else 0.0

    def _backends(self) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            return [pid for (pid,) in cursor.fetchall()]


def _send(kind: Latencies, clients: Sequence[Client], stream: Stream, watch: _Watch) -> None:
    """Each client sends its batches one after the other; several do so at the same time."""
    known = kind.size * kind.duplicates // 100
    batches = [
        [stream.batch(kind.size, kind.duplicates) for _ in range(BATCHES[kind.size])]
        for _ in range(kind.connections)
    ]
    for client in clients[: kind.connections]:
        client.connect()
    watch.seconds()
    with ThreadPoolExecutor(kind.connections) as pool:
        each = pool.map(
            lambda client, mine: [client.seconds(batch, duplicates=known) for batch in mine],
            clients[: kind.connections],
            batches,
        )
        kind.rounds.append([seconds for latencies in each for seconds in latencies])
    kind.processor.append(watch.seconds())


def _copy(kind: Latencies, baseline: Baseline, stream: Stream, watch: _Watch) -> None:
    batches = [baseline.encoded(stream.batch(kind.size, 0)) for _ in range(BATCHES[kind.size])]
    watch.seconds()
    kind.rounds.append([baseline.seconds(batch) for batch in batches])
    kind.processor.append(watch.seconds())


def _sizes() -> dict[str, float]:
    """Bytes an event of each table, its indexes included, as they are after the measurement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metering_eventkey")
        (all_of_them,) = cursor.fetchone()
        cursor.execute("SELECT sum(readings) FROM metering_meteredhour")
        (over_http,) = cursor.fetchone()
        sizes = {}
        for table in TABLES:
            cursor.execute(
                """
                SELECT sum(pg_total_relation_size(part)) FROM (
                    SELECT %(table)s::regclass AS part
                    UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass
                ) AS parts
                """,
                {"table": table},
            )
            (size,) = cursor.fetchone()
            sizes[table] = int(size) / (all_of_them if table in TABLES[:2] else over_http)
        return sizes
