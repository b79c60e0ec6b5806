"""The partitions of the readings: one a calendar month of UTC, made ahead, detached by a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from billing.metering.hours import differences
from billing.metering.models import ChangedSlot, DetachedMonth, Reading
from marketplace.errors import DomainError

PARTITIONS_LOCK = 0x9A27
MONTHS_AHEAD = 3
PARENT = "metering_reading"
MONTHS = f"""
    SELECT to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM'), true
    FROM pg_inherits WHERE inhparent = '{PARENT}'::regclass
    UNION ALL SELECT month, false FROM metering_detachedmonth
"""  # noqa: S608 a constant of this module


class CannotDetach(DomainError):
    code = "cannot_detach"
    title = "The month cannot be detached"


@dataclass(frozen=True, slots=True)
class Months:
    """Which months have a partition, and which had one that was detached: these take no readings."""

    attached: frozenset[date]
    detached: frozenset[date]


def month_of(moment: datetime) -> date:
    """The first day of the month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def table_of(month: date) -> str:
    return f"{PARENT}_{month:%Y_%m}"


def months() -> Months:
    """As they are now, from the database's own catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(MONTHS)
        return months_in(cursor.fetchall())


def months_in(rows: Iterable[tuple[date, bool]]) -> Months:
    """The answer to ``MONTHS``."""
    found = list(rows)
    return Months(
        attached=frozenset(month for month, is_attached in found if is_attached),
        detached=frozenset(month for month, is_attached in found if not is_attached),
    )


def make_ahead(*, now: datetime) -> list[date]:
    """The partitions of this month and the next ones; returns the months that were made."""
    wanted = [month_of(now)]
    for _ in range(MONTHS_AHEAD):
        wanted.append(next_month(wanted[-1]))
    return make_missing(wanted)


@transaction.atomic
def make_missing(wanted: Iterable[date]) -> list[date]:
    """Make those partitions that are not there and were not detached; returns their months.

    A table is made first and attached then, so that readings go in and out of the others meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITIONS_LOCK])
    known = months()
    made = sorted(set(wanted) - known.attached - known.detached)
    for month in made:
        _make(month)
    return made


def _make(month: date) -> None:
    table = table_of(month)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE TABLE {table} (LIKE {PARENT} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
            ALTER TABLE {PARENT} ATTACH PARTITION {table} FOR VALUES FROM (%s) TO (%s);
            """,
            [_midnight(month), _midnight(next_month(month))],
        )
    _guard(table, is_partition=True)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _guard(table: str, *, is_partition: bool) -> None:
    """Give a table the triggers of the readings, under their names.

    Those on rows come to a partition with its parent, and leave with it; those on statements do neither.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT replace(replace(pg_get_triggerdef(oid), 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
                           'public.{PARENT} ', 'public.{table} ')
            FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal
                AND NOT (%s AND tgtype & 1 = 1)
            """,  # noqa: S608 constants of this module, and names made of a month
            [PARENT, is_partition],
        )
        for (definition,) in cursor.fetchall():
            cursor.execute(definition)


@transaction.atomic
def detach(month: date, *, now: datetime, actor: Actor) -> DetachedMonth:
    """Take the readings of a month out. They stay in a table of their own, guarded as before.

    ``CannotDetach`` unless the month is over, was rated, and adds up to its hours, for these are then
    all that is left of it here. Whoever stores readings is waited for, and waits.
    """
    since, until = _midnight(month), _midnight(next_month(month))
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {PARENT} IN ACCESS EXCLUSIVE MODE")
    _check_detachable(month, since, until, now=now)
    detached = DetachedMonth.objects.create(
        month=month,
        readings=Reading.objects.filter(slot__gte=since, slot__lt=until).count(),
        detached_at=now,
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {PARENT} DETACH PARTITION {table_of(month)}")
    _guard(table_of(month), is_partition=False)
    audit.record(
        actor=actor,
        action="metering.month_detached",
        target=detached,
        now=now,
        data={"table": table_of(month), "readings": detached.readings},
    )
    return detached


def _check_detachable(month: date, since: datetime, until: datetime, *, now: datetime) -> None:
    if month not in months().attached:
        raise CannotDetach(f"There are no readings of {month:%Y-%m} here.")
    if until > now:
        raise CannotDetach(f"{month:%Y-%m} is not over.")
    if ChangedSlot.objects.filter(slot__gte=since, slot__lt=until).exists():
        raise CannotDetach(f"Readings of {month:%Y-%m} wait to be rated.")
    if found := differences(since=since, until=until):
        raise CannotDetach(f"{len(found)} hours are not the sum of their readings; rebuild them first.")
