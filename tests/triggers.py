"""Getting around the triggers, as the owner of the tables can and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def without_triggers(*tables: str) -> Iterator[None]:
    """What the owner of the tables could do with bad intentions, or a broken disk. One transaction."""
    with transaction.atomic():
        _alter(tables, "DISABLE")
        yield
        _alter(tables, "ENABLE")


def guarded_tables() -> list[str]:
    """Tables that refuse to be emptied, whatever the settings: see ``marketplace.guards``."""
    with connection.cursor() as cursor:
        # Bit 5 of the type is TRUNCATE. Only the functions of guards bring settings of their own.
        cursor.execute("""
            SELECT DISTINCT guard.tgrelid::regclass::text
            FROM pg_trigger guard JOIN pg_proc function ON function.oid = guard.tgfoid
            WHERE guard.tgtype & 32 > 0 AND function.proconfig IS NOT NULL
        """)
        return [table for (table,) in cursor.fetchall()]


def _alter(tables: tuple[str, ...], how: str) -> None:
    with connection.cursor() as cursor:
        # A table with checks still to come cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} {how} TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
