"""One month-end: everything rated, then the period closed."""

from __future__ import annotations

import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection

from accounts.actors import task_actor
from benchmarks.engine.machine import describe, load
from benchmarks.rating import scene
from benchmarks.rating.measuring import backend, forget_connections
from benchmarks.rating.records import MonthEnd
from billing.invoicing.models import Document
from billing.invoicing.services import close_due_periods
from billing.rating.models import RatingRun
from billing.rating.services import rate_all

RATER, CLOSER = task_actor("billing.rate"), task_actor("billing.close_periods")


def measure(*, agreements: int, hours: int, with_readings: bool, seed: int) -> MonthEnd:
    began = time.perf_counter()
    scene.make(agreements=agreements, hours=hours, readings_an_hour=int(with_readings), seed=seed)
    print(f"a month to rate, made in {time.perf_counter() - began:,.0f} s", file=sys.stderr, flush=True)
    # In a month of 31 days: the period is closed a day after its end.
    now = scene.START + timedelta(days=33)
    # A process of the database for this alone, of which nothing was held yet.
    forget_connections()
    began = time.perf_counter()
    rate_all(now=now, actor=RATER)
    rated = time.perf_counter()
    close_due_periods(now=now, actor=CLOSER)
    closed = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    measured = MonthEnd(
        command=f'make bench-month-end ARGS="--agreements {agreements} --hours {hours}'
        + ('"' if with_readings else ' --without-readings"'),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{describe()}, PostgreSQL {version}",
        load=load(),
        agreements=agreements,
        hours=hours,
        with_readings=with_readings,
        runs=RatingRun.objects.count(),
        rating=rated - began,
        closing=closed - rated,
        documents=Document.objects.count(),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        memory_of_database=_most_held(backend()),
    )
    forget_connections()
    return measured


def _most_held(process: int) -> int | None:
    """MiB, of which up to ``shared_buffers`` are shared with others; None where nothing counts them."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    (held,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(held.split()[1]) // 1024
