"""What every test may rely on.

The database and the Redis-protocol server are the real ones, named by ``DATABASE_URL`` and ``REDIS_URL``;
``make test`` starts both. Nothing outside of this machine is reachable.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pgtrigger
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation

from marketplace.clock import MarketClock
from tests.triggers import guarded_tables, without_triggers

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from tests.cast import Cast

NEEDED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
VALKEY_DATABASES = 16
# Set here and not in pyproject.toml: there, pytest-django would read the settings before pytest_configure
# below could say in one line what is missing.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
RUN = uuid.uuid4().hex[:8]
NOW = datetime(2026, 3, 2, 8, 20, tzinfo=UTC)


def pytest_configure(config: pytest.Config) -> None:
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        raise pytest.UsageError(
            f"{', '.join(missing)} not set. `make test` starts the servers that the tests need."
        )
    settings.REDIS_URL = settings.CELERY_BROKER_URL = _own_valkey(os.environ["REDIS_URL"])
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": settings.REDIS_URL,
            "KEY_PREFIX": f"test-{RUN}",
        }
    }
    settings.CELERY_BROKER_TRANSPORT_OPTIONS |= {"global_keyprefix": f"test-{RUN}:"}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STYLEGUIDE = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    settings.CSRF_TRUSTED_ORIGINS = [*settings.CSRF_TRUSTED_ORIGINS, "http://testserver"]


def pytest_unconfigure() -> None:
    """Leave no queued task or cached value behind on a server that is not ours alone."""
    if not settings.configured or "REDIS_URL" not in os.environ:
        return
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        try:
            left = list(server.scan_iter(f"*test-{RUN}*"))
        except redis.ConnectionError:
            return
        if left:
            server.delete(*left)


def _own_valkey(url: str) -> str:
    """Each xdist worker has a Valkey database of its own; the URL's is for a run without workers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker.startswith("gw"):
        return url
    number = int(worker.removeprefix("gw")) + 1
    if number >= VALKEY_DATABASES:
        raise pytest.UsageError(f"at most {VALKEY_DATABASES - 1} workers: Valkey has no more databases")
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


@pytest.fixture(autouse=True, scope="session")
def only_this_machine() -> Iterator[None]:
    """Refuse connections to anything but loopback, Unix sockets and the Valkey of the tests."""
    allowed = {urlsplit(os.environ["REDIS_URL"]).hostname}
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0], allowed):
            raise RuntimeError(f"a test tried to reach {address[0]}; tests use this machine only")

    def guarded_connect(sock: socket.socket, address: Any) -> None:
        check(sock, address)
        connect(sock, address)

    def guarded_connect_ex(sock: socket.socket, address: Any) -> int:
        check(sock, address)
        return connect_ex(sock, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    yield
    patch.undo()


def _is_local(host: str, allowed: set[str | None]) -> bool:
    if host in allowed or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_language_is_left_behind() -> Iterator[None]:
    """A page that a test asked for in Chinese leaves its thread in Chinese: the next test begins anew."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True, scope="session")
def tables_may_be_emptied() -> Iterator[None]:
    """Tests whose transactions are real truncate all tables afterwards, which the tables refuse otherwise."""
    empty = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def empty_all(case: TransactionTestCase) -> None:
        with pgtrigger.ignore(), without_triggers(*guarded_tables()):
            empty(case)

    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", empty_all)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A connection that a test left open is ended before the database is dropped.

    Otherwise the last test of all, which has nothing to do with it, fails beside the one that left it.
    """
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True, scope="session")
def agents_sign() -> Iterator[None]:
    """What is sent with an agent's token is signed with its key: see ``tests.agents_at_work``."""
    from tests.agents_at_work import clients_that_sign  # noqa: PLC0415 as for ``cast``

    with clients_that_sign():
        yield


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A fixed moment, 08:20 UTC on a Monday. Views and tasks that ask the market clock get it too."""
    monkeypatch.setattr(MarketClock, "now", lambda _clock: NOW)
    return NOW


@pytest.fixture
def cast(db: None) -> Cast:
    """The people and organisations of every test; see ``tests.cast``."""
    from tests.cast import Cast  # noqa: PLC0415 models need the settings that pytest_configure completes

    return Cast()
