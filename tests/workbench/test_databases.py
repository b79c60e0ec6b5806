"""Embedded servers, in a folder with a short path: the cast of every run of the demo and of the tests."""

import contextlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
import redis

from tests.workbench.launching import ROOT, eventually
from workbench import databases
from workbench.databases import Databases
from workbench.lock import locked
from workbench.preflight import Problem
from workbench.processes import process_alive


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cardhour-test-") as name:
        yield Path(name)


def _running(folder: Path, *, durable: bool = True) -> "contextlib.AbstractContextManager[Databases]":
    return databases.running(folder, durable=durable, environ={})


def _count_starts(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS start (id int GENERATED ALWAYS AS IDENTITY)")
        connection.execute("INSERT INTO start DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM start").fetchone()
    assert row is not None
    return int(row[0])


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    with _running(folder) as servers:
        starts = _count_starts(servers.database_url)
        with redis.Redis.from_url(servers.redis_url) as client:
            client.set("queued", "task")
    with _running(folder) as servers:
        assert _count_starts(servers.database_url) == starts + 1
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.get("queued") == b"task"


def test_the_servers_are_gone_when_the_block_ends(folder: Path) -> None:
    with _running(folder):
        pids = _server_pids(folder)
        assert all(process_alive(pid) for pid in pids)
    assert not any(process_alive(pid) for pid in pids)


def test_committed_data_survives_a_killed_server(folder: Path) -> None:
    with _running(folder) as servers:
        starts = _count_starts(servers.database_url)
        os.kill(_server_pids(folder)[0], signal.SIGKILL)
    with _running(folder) as servers:
        assert _count_starts(servers.database_url) == starts + 1


def test_a_test_database_is_as_the_demo_database(folder: Path) -> None:
    """An ordinary role that may make databases, with what only a superuser can install in all of them."""
    with _running(folder) as servers, psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS test_cardhour")
        connection.execute("CREATE DATABASE test_cardhour")
        with psycopg.connect(servers.database_url, dbname="test_cardhour") as other:
            other.execute("CREATE EXTENSION btree_gist")
            other.execute("SELECT count(*) FROM pg_stat_statements")
            assert other.execute("SHOW max_connections").fetchone() == ("200",)
            assert other.execute("SHOW is_superuser").fetchone() == ("off",)
        connection.execute("DROP DATABASE test_cardhour")


def test_nobody_else_gets_in(folder: Path) -> None:
    with _running(folder) as servers:
        assert stat.S_IMODE(_socket_folder(servers).stat().st_mode) == 0o700
        port = urlsplit(servers.redis_url).port or 0
        with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        assert stat.S_IMODE((folder / "valkey" / "valkey.conf").stat().st_mode) == 0o600


def test_a_folder_with_a_long_or_odd_name_will_do(folder: Path) -> None:
    odd = folder / "算力, 市场 %41" / ("long" * 30)
    odd.mkdir(parents=True)
    with _running(odd, durable=False) as servers:
        assert _count_starts(servers.database_url) == 1
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()
        assert odd not in _socket_folder(servers).parents
    _socket_folder(servers).rmdir()
    shutil.rmtree(odd)


def _socket_folder(servers: Databases) -> Path:
    return Path(unquote(urlsplit(servers.database_url).netloc.partition("@")[2].partition(":")[0]))


KILLED_LAUNCHER = """
import sys, time
from pathlib import Path
from workbench import databases
with databases.running(Path(sys.argv[1]), environ={}) as servers:
    print(servers.database_url, flush=True)
    time.sleep(600)
"""


def test_a_killed_launcher_leaves_no_server_and_no_obstacle(folder: Path) -> None:
    with _launcher(folder) as launcher:
        assert launcher.stdout is not None
        starts = _count_starts(launcher.stdout.readline().strip())
        pids = _server_pids(folder)
        launcher.kill()
        launcher.wait()
        with _running(folder) as servers:  # at once: it waits for the guardian of the other
            assert not any(process_alive(pid) for pid in pids)
            assert _count_starts(servers.database_url) == starts + 1


@contextlib.contextmanager
def _launcher(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", KILLED_LAUNCHER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        try:
            yield launcher
        finally:
            launcher.kill()


def test_a_server_that_lost_launcher_and_guardian_is_replaced(folder: Path) -> None:
    """As after two kill -9, on a system whose kernel tells the children nothing."""
    with _running(folder) as servers:
        starts = _count_starts(servers.database_url)
    command = _command_in_log(folder)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **_as_owner(folder)) as orphan:
        assert eventually((folder / "postgres" / "run" / ".s.PGSQL.5432").exists)
        with _running(folder) as servers:
            assert _count_starts(servers.database_url) == starts + 1
        assert orphan.wait(10) == 0


def _command_in_log(folder: Path) -> list[str]:
    lines = (folder / "log" / "postgres.log").read_text().splitlines()
    starts = [line for line in lines if line.startswith("---")]
    return shlex.split(starts[-1].partition(" UTC ")[2])


def _as_owner(folder: Path) -> dict[str, Any]:
    owner = (folder / "postgres" / "cluster").stat()
    if owner.st_uid == os.getuid():
        return {"start_new_session": True}
    return {"start_new_session": True, "user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def test_servers_that_the_environment_names_are_used_and_none_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db.example/market", "REDIS_URL": "redis://redis.example/1"}
    with databases.running(tmp_path, environ=given) as servers:
        assert servers == Databases(given["DATABASE_URL"], given["REDIS_URL"])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "log"]


def test_one_launcher_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path, "The demo"):
        message = f"The demo is already running in this folder .process {os.getpid()}"
        with pytest.raises(Problem, match=message), locked(tmp_path, "Another"):
            pass
    with locked(tmp_path, "Another"):
        pass


def _server_pids(folder: Path) -> list[int]:
    files = (folder / "postgres" / "cluster" / "postmaster.pid", folder / "valkey" / "valkey.pid")
    return [int(file.read_text().split()[0]) for file in files]
