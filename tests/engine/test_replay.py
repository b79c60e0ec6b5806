"""The same snapshot gives the same bytes in another process, whatever its hash seed, because the
engine is made of nothing that could differ there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from marketplace.engine import clear, digest, result_bytes, snapshot_bytes
from tests.engine.markets import national, shuffled

REPLAY = """
import sys
from marketplace.engine import clear, digest, result_bytes, snapshot_from_bytes
print(digest(result_bytes(clear(snapshot_from_bytes(sys.stdin.buffer.read())))))
"""
ROOT = Path(__file__).parents[2]


def test_other_processes_agree() -> None:
    snapshot = national(5, offers=60, requests=120, slots=48)
    expected = digest(result_bytes(clear(snapshot)))
    for seed in ("0", "1", "4242"):
        replayed = subprocess.run(
            [sys.executable, "-c", REPLAY],
            input=snapshot_bytes(snapshot),
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        assert replayed.stdout.decode().strip() == expected


def test_a_large_shuffled_market_gives_the_same_bytes() -> None:
    snapshot = national(6, offers=60, requests=150, slots=48)
    assert result_bytes(clear(shuffled(snapshot, 1))) == result_bytes(clear(snapshot))


def test_clearing_twice_gives_the_same_bytes() -> None:
    snapshot = national(8, offers=40, requests=80, slots=24)
    assert result_bytes(clear(snapshot)) == result_bytes(clear(snapshot))


PLAIN = {"__future__", "collections", "dataclasses", "datetime", "enum", "hashlib", "heapq", "typing"}
LIBRARIES = {"marketplace", "msgspec", "numba", "numpy"}
SPECIAL = {
    "replay.py": {"argparse", "decimal", "pathlib", "sys", "zipfile", "zlib"},
    "dual.py": {"concurrent"},
}
"""The command reads files and prints; threads share out work whose parts do not look at each other."""


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
