"""The rounds: each kind of market in turn, rated whole, from a fresh copy of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

from accounts.actors import task_actor
from benchmarks.database import drop, fresh
from benchmarks.engine.machine import describe, load
from benchmarks.metering.processor import Meter
from benchmarks.rating import scene, table
from benchmarks.rating.records import Measured, Rated
from billing.rating.models import Charge
from billing.rating.services import rate_all

HOURS = 720
READINGS_AN_HOUR = (1, 12, 60)
RATER = task_actor("billing.rate")


def measure(*, server: str, name: str, readings: int, rounds: int, seed: int) -> Measured:
    """``server`` holds the database ``name``, which Django is set up for."""
    rated = [_prepared(server, name, each, readings, seed) for each in READINGS_AN_HOUR]
    copied = table.kinds()
    for number in range(1, rounds + 1):
        for kind in rated:
            _rate(kind, server, name)
            if kind.readings_an_hour == 1:
                table.copy_into_each(copied)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    forget_connections()
    for kind in rated:
        drop(server, _template(name, kind.readings_an_hour))
    return Measured(
        command="make bench-rating",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{describe()}, PostgreSQL {version}",
        load=load(),
        seed=seed,
        rated=rated,
        copied=copied,
    )


def _prepared(server: str, name: str, readings_an_hour: int, readings: int, seed: int) -> Rated:
    """A database to copy from."""
    forget_connections()
    fresh(server, name)
    agreements = max(1, readings // (HOURS * readings_an_hour))
    scene.make(agreements=agreements, hours=HOURS, readings_an_hour=readings_an_hour, seed=seed)
    forget_connections()
    fresh(server, _template(name, readings_an_hour), template=name)
    return Rated(readings_an_hour, agreements * HOURS * readings_an_hour, agreements * HOURS)


def _template(name: str, readings_an_hour: int) -> str:
    return f"{name}_{readings_an_hour}"


def _rate(kind: Rated, server: str, name: str) -> None:
    forget_connections()
    fresh(server, name, template=_template(name, kind.readings_an_hour))
    seconds, processor = timed(lambda: rate_all(now=scene.START + timedelta(days=31), actor=RATER))
    if Charge.objects.count() != kind.charges:
        raise RuntimeError(f"{Charge.objects.count()} charges, {kind.charges} hours")
    kind.rounds.append(seconds)
    kind.processor.append(processor)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time of this process and the database's for it."""
    backends, meter = [backend()], Meter()
    meter.seconds(backends)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, meter.seconds(backends)


def backend() -> int:
    """The process of the database that serves this one: there is one connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def forget_connections() -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has one
