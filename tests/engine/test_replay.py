"""The same snapshot gives the same bytes in another process, whatever its hash seed, because the
engine is made of nothing that could differ there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given

from marketplace.engine import Snapshot, clear, digest, result_bytes, snapshot_bytes
from tests.engine.effort import markets
from tests.engine.markets import national, shuffled
from tests.engine.strategies import crowds, everything, snapshots

REPLAY = """
import sys
from marketplace.engine import clear, digest, result_bytes, snapshot_from_bytes
for line in sys.stdin.buffer:
    print(digest(result_bytes(clear(snapshot_from_bytes(line.rstrip(b"\\n"))))), flush=True)
"""
ROOT = Path(__file__).parents[2]


class Elsewhere:
    """Another process that clears what it is given, with a hash seed of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def digest_of(self, snapshot: Snapshot) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(snapshot_bytes(snapshot) + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().strip()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[list[Elsewhere]]:
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", REPLAY],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONHASHSEED": seed},
                cwd=ROOT,
            )
            for seed in ("0", "1", "4242")
        ]
        yield [Elsewhere(stack.enter_context(process)) for process in processes]


def test_other_processes_agree(elsewhere: list[Elsewhere]) -> None:
    snapshot = national(5, offers=60, requests=120, slots=48)
    expected = digest(result_bytes(clear(snapshot)))
    assert [each.digest_of(snapshot) for each in elsewhere] == [expected] * len(elsewhere)


@given(snapshot=everything(snapshots()) | crowds())
@markets(60)
def test_other_processes_agree_on_every_market(elsewhere: list[Elsewhere], snapshot: Snapshot) -> None:
    expected = digest(result_bytes(clear(snapshot)))
    assert [each.digest_of(snapshot) for each in elsewhere] == [expected] * len(elsewhere)


def test_a_large_shuffled_market_gives_the_same_bytes() -> None:
    snapshot = national(6, offers=60, requests=150, slots=48)
    assert result_bytes(clear(shuffled(snapshot, 1))) == result_bytes(clear(snapshot))


def test_clearing_twice_gives_the_same_bytes() -> None:
    snapshot = national(8, offers=40, requests=80, slots=24)
    assert result_bytes(clear(snapshot)) == result_bytes(clear(snapshot))


PLAIN = {
    "__future__",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "typing",
}
LIBRARIES = {"marketplace", "msgspec", "numba", "numpy"}
SPECIAL = {
    "replay.py": {"argparse", "decimal", "pathlib", "sys", "zipfile", "zlib"},
    "dual.py": {"concurrent"},
    "clearing.py": {"concurrent"},
    "compiled.py": {"pathlib"},
}
"""The command reads files and prints; threads share out work whose parts do not look at each other; code kept
on disk depends on the sources."""


def test_the_engine_imports_nothing_that_could_differ() -> None:
    """No Django, no database, no clock, no randomness; ``datetime`` only reads the horizon."""
    package = ROOT / "marketplace" / "engine"
    for path in package.rglob("*.py"):
        allowed = PLAIN | LIBRARIES | SPECIAL.get(path.relative_to(package).as_posix(), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert module.split(".")[0] in allowed, path
                assert not module.startswith("marketplace.") or module.startswith("marketplace.engine"), path
                assert module != "marketplace.engine.replay", path
            elif isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path
            elif isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "today", "utcnow"}, path
