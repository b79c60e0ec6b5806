"""Ten pages, asked for in turn at a fixed rate, each on time whether the one before was answered or not."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db import connection

from accounts.actors import task_actor
from accounts.models import User
from benchmarks.metering.client import server
from benchmarks.pages.report import Timed
from demo.national import load_national
from demo.people import create_people
from marketplace.clock import market_now

# Who asks for what: those with most sites and most requests, and those who see everything.
PAGES = (
    ("buyer", "/"),
    ("owner", "/"),
    ("buyer", "/market/"),
    ("buyer", "/market/runs/"),
    ("buyer", "/requests/"),
    ("owner", "/offers/"),
    ("owner", "/sites/"),
    ("auditor", "/agreements/"),
    ("auditor", "/deliveries/"),
    ("buyer", "/usage/"),
)
CONNECTIONS = 16
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Page:
    """An address with the cookie of who asks for it."""

    reader: str
    address: str
    cookie: str


def make_market(*, seed: int) -> None:
    call_command("migrate", verbosity=0)
    for step in load_national(actor=task_actor("benchmarks.pages"), now=market_now(), seed=seed):
        print(step, flush=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    create_people()


def measure(*, rate: int, seconds: int) -> list[Timed]:
    call_command("collectstatic", interactive=False, verbosity=0)
    pages = [Page(reader, address, _signed_in(reader)) for reader, address in PAGES]
    connection.close()
    with server() as (port, _process):
        for each in pages * WARM_UP:
            _seconds(port, each)
        times = _at_a_rate(port, pages, rate=rate, seconds=seconds)
    return [
        Timed(each.reader, each.address, [taken for page, taken in times if page == each]) for each in pages
    ]


def _at_a_rate(port: int, pages: Sequence[Page], *, rate: int, seconds: int) -> list[tuple[Page, float]]:
    """A request is timed from when it was due, so that what waits behind a slow one is not passed over."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        waiting = []
        for number, each in enumerate(islice(cycle(pages), rate * seconds)):
            due = began + number / rate
            time.sleep(max(0, due - time.perf_counter()))
            waiting.append((each, pool.submit(_answered, port, each, due)))
        return [(each, future.result()) for each, future in waiting]


def _answered(port: int, page: Page, due: float) -> float:
    _seconds(port, page)
    return time.perf_counter() - due


def _seconds(port: int, page: Page) -> None:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request("GET", page.address, headers={"Cookie": page.cookie, "Accept-Language": "en"})
    answer = link.getresponse()
    answer.read()
    link.close()
    if answer.status != 200:
        raise RuntimeError(f"{page.address} for the {page.reader}: {answer.status}")


def _signed_in(reader: str) -> str:
    user = User.objects.get(email=f"{reader}@demo.example")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
