"""The bootstrap up to the network: what comes from the package index is stood in for."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workbench.launching import ROOT, eventually
from workbench import bootstrap as module
from workbench.bootstrap import Environment, bootstrap, last_line
from workbench.preflight import MIN_FREE_VARIABLE, Problem

NEW_ENOUGH = (3, 11, 0)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps taken, none of which does anything but making the virtual environment."""
    steps: list[str] = []

    def create(environment: Environment) -> None:
        steps.append("create")
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)

    monkeypatch.setattr(Environment, "_create", create)
    monkeypatch.setattr(Environment, "_fetch_uv", lambda _: steps.append("uv"))
    monkeypatch.setattr(Environment, "_sync", lambda _: steps.append("sync"))
    return steps


def test_the_second_time_there_is_nothing_to_do(checkout: Path, installed: list[str]) -> None:
    bootstrap(checkout, NEW_ENOUGH)
    bootstrap(checkout, NEW_ENOUGH)
    assert installed == ["create", "uv", "sync"]


def test_another_lock_is_installed_into_the_same_environment(checkout: Path, installed: list[str]) -> None:
    bootstrap(checkout, NEW_ENOUGH)
    (checkout / "uv.lock").write_text("another")
    bootstrap(checkout, NEW_ENOUGH)
    assert installed == ["create", "uv", "sync", "uv", "sync"]


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Path, installed: list[str]) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
    with pytest.raises(FileExistsError):  # the stand-in does not clear; that it was asked is the point
        bootstrap(checkout, NEW_ENOUGH)
    assert installed == ["create"]


def test_a_failure_leaves_nothing_half_made(
    checkout: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Environment) -> None:
        raise Problem("no network")

    monkeypatch.setattr(Environment, "_sync", fail)
    with pytest.raises(Problem, match="no network"):
        bootstrap(checkout, NEW_ENOUGH)
    assert not (checkout / ".venv").exists()


def test_a_failure_spares_an_environment_that_was_there(
    checkout: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap(checkout, NEW_ENOUGH)
    (checkout / "uv.lock").write_text("another")

    def fail(_: Environment) -> None:
        raise Problem("no network")

    with monkeypatch.context() as patched:
        patched.setattr(Environment, "_sync", fail)
        with pytest.raises(Problem, match="no network"):
            bootstrap(checkout, NEW_ENOUGH)
    assert (checkout / ".venv" / "bin" / "python").exists()
    bootstrap(checkout, NEW_ENOUGH)
    assert installed.count("sync") == 2


def test_a_folder_of_somebody_else_is_not_cleared(checkout: Path) -> None:
    precious = checkout / ".venv" / "thesis.txt"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(Problem, match="is in the way"):
        bootstrap(checkout, NEW_ENOUGH)
    assert precious.exists()


def test_a_python_without_venv_names_the_package(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    debian = "The virtual environment was not created successfully because ensurepip is not\navailable."
    failed = subprocess.CompletedProcess([], 1, stdout=debian)
    monkeypatch.setattr(module, "run", lambda *_, **__: failed)
    with pytest.raises(Problem, match=r"apt-get install python3\.\d+-venv"):
        bootstrap(checkout, NEW_ENOUGH)
    assert not (checkout / ".venv").exists()


def test_too_little_disk_makes_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIN_FREE_VARIABLE, "999999999")
    with pytest.raises(Problem, match="MiB are needed"):
        bootstrap(checkout, NEW_ENOUGH)
    assert not (checkout / ".venv").exists()


def test_an_interrupted_installation_is_undone(checkout: Path) -> None:
    source = f"""
import sys, time
from pathlib import Path
from workbench import bootstrap
def linger(environment):
    environment.folder.mkdir()
    time.sleep(600)
bootstrap.Environment._create = linger
bootstrap.__file__ = {str(checkout / "workbench" / "bootstrap.py")!r}
sys.exit(bootstrap.main())
"""
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert eventually((checkout / ".venv").exists)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "cardhour: interrupted.\n")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "Collecting uv\nERROR: Could not find it\nERROR: No matching distribution\n\n",
            "ERROR: No matching distribution",
        ),
        ("error: Failed to fetch\n  Caused by: dns\n", "error: Failed to fetch"),
        ("something\nwent wrong\n", "went wrong"),
        ("", "no output"),
    ],
)
def test_the_line_that_says_most(output: str, line: str) -> None:
    assert last_line(output) == line
