"""Who may change charges and documents: one at a time.

Rating writes charges and closing reads them twice (once to add them up, once to name them), so both
hold the same lock until they commit. Neither waits: whoever finds it taken leaves the work to its
next turn.
"""

from __future__ import annotations

from django.db import connection

BILLING_LOCK = 0xB111


def try_billing_lock() -> bool:
    """Take the lock for the transaction under way; false when another transaction holds it."""
    if not connection.in_atomic_block:
        raise RuntimeError("the billing lock lives as long as a transaction, and there is none")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [BILLING_LOCK])
        (taken,) = cursor.fetchone()
    return bool(taken)
