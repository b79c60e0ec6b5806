"""The order book: when what is in it may change.

Orders enter, change and leave at any time, also while a run computes. A run whose result was overtaken
by that starts again from a new snapshot, and now closes the book until its attempt ends: what is in the
book stays as it is, so that no party, however often it withdraws and enters again, overtakes a run twice.

The lock belongs to the connection of the run. It goes when the worker dies, and nobody has to clean up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from marketplace.errors import DomainError

BOOK_LOCK = 0xB00C


class BookClosed(DomainError):
    """``wait`` is in seconds; the API sends it as ``Retry-After``."""

    code = "book_closed"
    title = gettext_noop("The market is being cleared")
    wait: ClassVar[int] = 60


def hold_open() -> None:
    """Keep the book open until this transaction ends; ``BookClosed`` if a run has closed it.

    Call it first in every transaction that changes an order or takes it away, before any row is locked:
    a run waits for those who hold the book open, so they must not wait for the run.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [BOOK_LOCK])
        if not cursor.fetchone()[0]:
            raise BookClosed(
                _(
                    "A market run is clearing the orders as they are now, so none of them can change. "
                    "Try again in %(seconds)s seconds."
                )
                % {"seconds": BookClosed.wait}
            )


@contextmanager
def closed() -> Iterator[None]:
    """Close the book, after everybody who is changing an order has finished."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [BOOK_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [BOOK_LOCK])
