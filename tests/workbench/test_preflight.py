import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench.launching import ROOT
from workbench import preflight
from workbench.preflight import Problem, check_disk, check_port, check_python, check_writable, parse_port


def test_a_python_too_old_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Problem) as caught:
        check_python((3, 8, 18))
    assert str(caught.value).startswith("Python 3.8.18 is too old, Cardhour needs 3.11 or newer")
    assert "\n" not in str(caught.value)


def test_a_python_too_old_names_a_newer_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3.13").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"add PYTHON=python3\.13 to the make command"):
        check_python((3, 10, 0))


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 2), (4, 0)])
def test_a_python_new_enough_passes(version: tuple[int, ...]) -> None:
    check_python(version)


@pytest.mark.parametrize("name", ["__init__", "preflight", "bootstrap"])
def test_an_old_python_can_read_what_tells_it_so(name: str) -> None:
    ast.parse((ROOT / "workbench" / f"{name}.py").read_text(), feature_version=(3, 6))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Problem, match=rf"Cannot write to {file} \(Not a directory\)"):
        check_writable(file)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_folder_that_not_even_root_can_write_to() -> None:
    with pytest.raises(Problem, match="Cannot write to /proc"):
        check_writable(Path("/proc"))


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(preflight.MIN_FREE_VARIABLE, "999999999")
    with pytest.raises(Problem, match=rf"MiB free in {tmp_path}, 999999999 MiB are needed"):
        check_disk(tmp_path, 1)


def test_enough_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(preflight.MIN_FREE_VARIABLE, raising=False)
    check_disk(tmp_path, 1)


def test_a_port_in_use_comes_with_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=rf"Cannot use port {port} .*make demo PORT=\d+"):
            check_port(port)


def test_a_port_that_somebody_uses_on_all_addresses() -> None:
    with socket.create_server(("", 0)) as taken, pytest.raises(Problem):
        check_port(taken.getsockname()[1])


def test_a_port_that_was_just_given_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so that this end stays in TIME_WAIT
            client.recv(1)
    check_port(port)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8000.5"])
def test_a_port_that_is_none(text: str) -> None:
    with pytest.raises(Problem, match="PORT is "):
        parse_port(text)


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("demo", {"PORT": "abc"}, "PORT is 'abc'"),
        ("demo", {"CARDHOUR_CLOCK_SPEED": "fast"}, "CARDHOUR_CLOCK_SPEED is 'fast'"),
        ("demo-reset", {"DATABASE_URL": "postgresql://db.example/x"}, "DATABASE_URL is set"),
        ("unheard-of", {}, "usage: python -m workbench"),
    ],
)
def test_commands_complain_in_one_line(command: str, variables: dict[str, str], message: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    result = subprocess.run(
        [sys.executable, "-m", "workbench", command],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert result.stderr.startswith(f"cardhour: {message}")
    assert result.stderr.count("\n") == 1
