"""The engine as a package of its own replays at home what the exchange has cleared."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.clearing.market import make_market, run

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "packaging" / "engine"
# What the wheel names, and what that needs in turn.
NEEDED = {"msgspec", "numba", "llvmlite", "numpy"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and what it needs, and nothing else of the exchange."""
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, env=_environment())
    [packages] = folder.glob("lib/python*/site-packages")
    for entry in Path(sysconfig.get_path("platlib")).iterdir():
        if entry.name.replace("-", ".").split(".")[0] in NEEDED:
            (packages / entry.name).symlink_to(entry)
    return folder


def _environment() -> dict[str, str]:
    """That of a stranger: nothing points to this checkout."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}


def replayed(home: Path, package: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(home / "bin" / "cardhour-replay"), str(package)],
        cwd=package.parent,
        env=_environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_the_engine_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}

    sources = (ROOT / "marketplace" / "engine").rglob("*.py")
    assert held == {source.relative_to(ROOT).as_posix() for source in sources}


def test_the_wheel_asks_for_the_versions_that_the_exchange_asks_for() -> None:
    wheels, exchanges = (
        set(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"])
        for folder in (PROJECT, ROOT)
    )

    assert wheels < exchanges


@pytest.mark.django_db(transaction=True)
def test_a_run_is_confirmed_at_home_and_a_tampered_one_is_not(home: Path, tmp_path: Path) -> None:
    make_market()
    done = run()
    package = tmp_path / "run.zip"
    call_command("replay", str(done.pk), package=package)

    confirmed = replayed(home, package)

    assert (confirmed.returncode, confirmed.stderr) == (0, "")
    assert f"result.json: SHA-256 {done.result_digest}" in confirmed.stdout
    assert "the same result, byte for byte" in confirmed.stdout

    wrong = replayed(home, tampered(package))

    assert wrong.returncode == 1
    assert "WRONG: result.json was altered" in wrong.stdout


def tampered(package: Path) -> Path:
    """The package with a result in which every price is one micro-unit higher."""
    altered = package.with_name("altered.zip")
    with zipfile.ZipFile(package) as true, zipfile.ZipFile(altered, "w") as false:
        for name in true.namelist():
            false.writestr(name, true.read(name).replace(b'"price":10000000', b'"price":10000001'))
    return altered
