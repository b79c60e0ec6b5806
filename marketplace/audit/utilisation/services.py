"""Adding up: what is new, and the hours of the past that something touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from marketplace.audit.utilisation.adding import COLUMNS, REPLACED, SUMMED
from marketplace.audit.utilisation.changes import Position, position_now, want_changed
from marketplace.audit.utilisation.hours import COMPUTED, PARAMETERS, WANTED
from marketplace.audit.utilisation.models import FleetHour, RolledUntil
from marketplace.clearing.models import MarketRun
from marketplace.clock import floor_hour

LOCK = 0xA0D17
# What one transaction adds at most: it bounds the memory, and how long a first look holds the lock.
AT_ONCE = timedelta(hours=24)

WRITE = f"""
    INSERT INTO {FleetHour._meta.db_table} (fleet_id, starts_at, {COLUMNS}) {COMPUTED}
    ON CONFLICT (fleet_id, starts_at) DO UPDATE SET {REPLACED}
"""
ALL_HOURS = """
    INSERT INTO utilisation_wanted
    SELECT fleet.id, slot FROM supply_fleet fleet
    CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz - interval '1 microsecond', interval '1 hour')
        AS slot
    ON CONFLICT DO NOTHING
"""


def roll_up(*, now: datetime, actor: Actor) -> int:
    """Add up every hour that ended ``RATING_GRACE`` before ``now``; returns how many rows were computed.

    One at a time: whoever finds the lock taken leaves the work to the other.
    """
    return sum(_steps(now=now, actor=actor))


def _steps(*, now: datetime, actor: Actor) -> Iterator[int]:
    horizon = floor_hour(now - settings.RATING_GRACE)
    while True:
        with transaction.atomic():
            if not _locked():
                return
            seen = _seen(now)
            if seen is None or seen.since >= horizon:
                return
            yield _step(seen, min(horizon, max(seen.until, seen.since) + AT_ONCE), now=now, actor=actor)
            done = RolledUntil.objects.get().until >= horizon
        if done:
            return


def _locked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (taken,) = cursor.fetchone()
    return bool(taken)


def _seen(now: datetime) -> RolledUntil | None:
    """How far it was added up; nothing where there is no market yet. The market begins with its first run."""
    known = RolledUntil.objects.first()
    if known is not None:
        return known
    first = MarketRun.objects.order_by("pk").values_list("opened_at", flat=True).first()
    if first is None:
        return None
    # What happened before is in the hours when they are computed: only later changes touch them again.
    since, position = floor_hour(first), position_now()
    return RolledUntil(since=since, until=since, rolled_at=now, **asdict(position))


def _step(seen: RolledUntil, until: datetime, *, now: datetime, actor: Actor) -> int:
    position = position_now()
    want(since=seen.until, until=until)
    want_changed(seen, position, since=seen.since, until=until)
    computed = write_wanted()
    _note(seen, position, until, now=now)
    if computed:
        data = {"rows": computed, "until": until.isoformat()}
        audit.record(actor=actor, action="utilisation.rolled_up", target=seen, now=now, data=data)
    return computed


def want(*, since: datetime, until: datetime) -> None:
    """Ask for every fleet's hours in ``[since, until)``."""
    with connection.cursor() as cursor:
        cursor.execute(WANTED)
        cursor.execute(ALL_HOURS, [since, until])


def write_wanted() -> int:
    """Compute the wanted hours and the sums that they are in. Returns how many hours."""
    with connection.cursor() as cursor:
        # Compiling these statements takes longer than a small market needs to answer them.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute("ANALYZE utilisation_wanted")
        cursor.execute(WRITE, PARAMETERS)
        written: int = cursor.rowcount
        for each in SUMMED:
            cursor.execute(each.write())
        cursor.execute("TRUNCATE utilisation_wanted")
    return written


def load_day(*, since: datetime, until: datetime, now: datetime) -> None:
    """Add up the UTC day before ``until`` only, of a market that was made at once from ``since`` on."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '256MB'")
    want(since=max(since, until - AT_ONCE), until=until)
    write_wanted()
    RolledUntil.objects.create(since=since, until=until, rolled_at=now, **asdict(position_now()))


def _note(seen: RolledUntil, position: Position, until: datetime, *, now: datetime) -> None:
    seen.until, seen.rolled_at = max(until, seen.until), now
    seen.reading, seen.charge_run, seen.seal = position.reading, position.charge_run, position.seal
    seen.save()
