"""Waiting until a site's agent has something else to do.

A version is made of the rows that an agent is told of, so it needs no writer that remembers to count it up. A
request that waits holds a thread of the web server, of which there are few. So only ``AGENT_SEATS`` of a
process wait at a time; who finds none is answered at once and asks again after a while, as agents did before.
Those that wait look once a second: with so few, that is cheaper than a connection that listens for each
process. Between two looks they hold no connection of the pool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from marketplace.clock import market_now
from marketplace.delivery.selectors import DUE_WITHIN

LOOK_EVERY = 1.0
LONGEST = 25
"""Less than clients and proxies wait for an answer, and than a server that stops waits for its threads."""

VERSION = """
    SELECT md5(coalesce(string_agg(
        format('%%s %%s %%s %%s', delivery.id, delivery.state, delivery.xmin, agreement.xmin), ' '
        ORDER BY delivery.id), ''))
    FROM delivery_delivery delivery
    JOIN agreements_agreement agreement ON agreement.id = delivery.agreement_id
    WHERE delivery.site_id = %s AND delivery.starts_at <= %s
        AND (delivery.state NOT IN ('ended', 'failed', 'evicted') OR delivery.ends_at > %s)
"""

_taken = threading.Semaphore(settings.AGENT_SEATS)


def version_of(site: int) -> str:
    """Another one as soon as anything changes about what is due at the site."""
    now = market_now()
    with connection.cursor() as cursor:
        cursor.execute(VERSION, [site, now + DUE_WITHIN, now])
        return str(cursor.fetchone()[0])


def wait_for_change(
    site: int, *, after: str, seconds: int, sleep: Callable[[float], None] = time.sleep
) -> tuple[str, bool]:
    """The site's version, and whether it was waited for: until it is another one, or so long."""
    version = version_of(site)
    with _seat(wanted=version == after and seconds > 0) as seated:
        until = time.monotonic() + min(seconds, LONGEST)
        while seated and version == after and time.monotonic() < until:
            _let_go_of_the_connection()
            sleep(LOOK_EVERY)
            version = version_of(site)
    return version, seated or version != after


@contextmanager
def _seat(*, wanted: bool) -> Iterator[bool]:
    seated = wanted and _taken.acquire(blocking=False)
    try:
        yield seated
    finally:
        if seated:
            _taken.release()


def _let_go_of_the_connection() -> None:
    if not connection.in_atomic_block:
        connection.close()
