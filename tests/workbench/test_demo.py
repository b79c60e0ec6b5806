import ast
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.workbench.launching import ROOT
from workbench.clock import MarketClock
from workbench.databases import Databases
from workbench.demo import WORKER_QUEUES, Place, logins_table, reset
from workbench.environment import demo_environment, secret_key
from workbench.lock import locked
from workbench.preflight import Problem


def test_every_queue_has_exactly_one_worker() -> None:
    """Read, not imported: the workbench imports nothing of the project."""
    module = ast.parse((ROOT / "marketplace" / "queues.py").read_text())
    values = [node.value for node in ast.walk(module) if isinstance(node, ast.Assign)]
    declared = [str(value.value) for value in values if isinstance(value, ast.Constant)]
    served = [queue for queues in WORKER_QUEUES.values() for queue in queues.split(",")]
    assert sorted(served) == sorted(declared)


def test_the_logins_are_a_table(tmp_path: Path) -> None:
    file = tmp_path / "demo-logins.json"
    logins = [
        {"role": "owner", "email": "o@demo.test", "password": "one", "what": "sells cards"},
        {"role": "auditor", "email": "auditor@demo.test", "password": "three", "what": "looks"},
    ]
    file.write_text(json.dumps(logins))
    assert logins_table(file) == [
        "role     email              password  what",
        "owner    o@demo.test        one       sells cards",
        "auditor  auditor@demo.test  three     looks",
    ]


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "secret-key"
    first = secret_key(file)
    assert len(first) >= 50
    assert secret_key(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_programs_are_told_where_all_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet")
    place = Place(tmp_path, port=8123)
    clock = MarketClock.resume(place.clock_file, speed=120, wall=datetime(2026, 3, 5, 12, tzinfo=UTC))
    given = demo_environment(tmp_path, Databases("postgresql://d", "redis://r"), clock, place.url)
    assert given["DATABASE_URL"] == "postgresql://d"
    assert given["REDIS_URL"] == "redis://r"
    assert given["CARDHOUR_BASE_URL"] == "http://127.0.0.1:8123"
    assert given["CARDHOUR_CLOCK_SPEED"] == "120"
    assert given["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_reset_deletes_what_the_demo_made_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_servers(monkeypatch)
    data = _data(tmp_path)
    for folder in ("postgres", "valkey", "log", "test"):
        (data / folder / "inside").mkdir(parents=True)
    for file in ("demo-logins.json", "demo-agents.json", "clock.json", "celerybeat-schedule", "secret-key"):
        (data / file).touch()
    reset(Place(tmp_path))
    assert sorted(path.name for path in data.iterdir()) == ["lock", "secret-key", "test"]


def test_reset_refuses_while_the_demo_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_servers(monkeypatch)
    kept = _data(tmp_path) / "clock.json"
    kept.touch()
    with locked(kept.parent, "The demo"), pytest.raises(Problem, match="The demo is already running"):
        reset(Place(tmp_path))
    assert kept.exists()


def test_reset_does_not_touch_a_server_of_yours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/market")
    kept = _data(tmp_path) / "clock.json"
    kept.touch()
    with pytest.raises(Problem, match="DATABASE_URL"):
        reset(Place(tmp_path))
    assert kept.exists()


def _data(root: Path) -> Path:
    data = Place(root).data
    data.mkdir()
    return data


def _without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
