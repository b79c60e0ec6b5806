"""What writing charges costs by itself: COPY into tables like theirs, with fewer and fewer guards.

Charges are always written with all of them. This says what each is worth, and how far rating is from the
most that the table allows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from benchmarks.rating.records import Copied

COLUMNS = """kind, agreement_id, slot, sequence, corrects_id, quantity, committed, price, currency, amount,
    commission, credit, last_reading, run_id"""
# What is left out: references to other rows, indexes, checks.
NOTHING, REFERENCES, INDEXES, CHECKS = "nothing", "references", "indexes", "checks"
KINDS = {
    NOTHING: set[str](),
    REFERENCES: {REFERENCES},
    "references and indexes": {REFERENCES, INDEXES},
    "references, indexes and checks": {REFERENCES, INDEXES, CHECKS},
}


def kinds() -> list[Copied]:
    return [Copied(name, 0) for name in KINDS]


def copy_into_each(copied: list[Copied]) -> None:
    """One round with the charges that there are."""
    content = _content()
    for kind in copied:
        kind.charges = content.count(b"\n")
        with _table(KINDS[kind.left_out]):
            kind.rounds.append(_seconds(content))


def _content() -> bytes:
    with connection.cursor() as cursor:
        query = f"SELECT {COLUMNS} FROM rating_charge ORDER BY agreement_id, slot"  # noqa: S608 a constant
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            return b"".join(bytes(block) for block in copy)


@contextmanager
def _table(left_out: set[str]) -> Iterator[None]:
    """A table like that of the charges, but for what is left out of its checks, indexes and references."""
    chosen = {INDEXES: "INDEXES", CHECKS: "CONSTRAINTS"}
    likeness = "".join(f" INCLUDING {word}" for name, word in chosen.items() if name not in left_out)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE charge_like (LIKE rating_charge INCLUDING IDENTITY{likeness})")
        if REFERENCES not in left_out:
            cursor.execute(
                "ALTER TABLE charge_like ADD FOREIGN KEY (corrects_id) REFERENCES charge_like"
                " DEFERRABLE INITIALLY DEFERRED"
            )
            cursor.execute(
                "SELECT tgfoid::regproc FROM pg_trigger"
                " WHERE tgrelid = 'rating_charge'::regclass AND tgname LIKE 'pgtrigger_refers_%'"
            )
            (function,) = cursor.fetchone()
            cursor.execute(
                "CREATE TRIGGER refers AFTER INSERT ON charge_like REFERENCING NEW TABLE AS added"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
        yield
        cursor.execute("DROP TABLE charge_like")


def _seconds(content: bytes) -> float:
    statement = f"COPY charge_like ({COLUMNS}) FROM STDIN"
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)
    return time.perf_counter() - began
