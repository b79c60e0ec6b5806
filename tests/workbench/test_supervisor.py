import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench.launching import STUBBORN, WITH_CHILD, eventually, launched, program, recorded
from workbench.lock import is_locked
from workbench.processes import process_alive

LAUNCHER = """
    with Supervisor(Path("log"), adopt=True) as supervisor:
        supervisor.start(Program("family", {command!r}, stop_within={patience}))
        try:
            supervisor.watch()
        except StopRequested:
            print("stopping", flush=True)
"""


def _launcher(source: str = WITH_CHILD, patience: float = 5.0) -> str:
    return LAUNCHER.format(command=program(source), patience=patience)


def _gone(pids: list[int]) -> bool:
    return not any(process_alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_takes_children_and_grandchildren_along(tmp_path: Path, number: int) -> None:
    with launched(tmp_path, _launcher()) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        launcher.send_signal(number)
        output, _ = launcher.communicate(timeout=15)
        assert (launcher.returncode, output) == (0, "stopping\n")
        assert _gone(recorded(tmp_path))


def test_a_program_that_ignores_the_request_is_killed_when_its_time_is_up(tmp_path: Path) -> None:
    with launched(tmp_path, _launcher(STUBBORN + WITH_CHILD, patience=0.5)) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=15)
        assert _gone(recorded(tmp_path))


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with launched(tmp_path, _launcher(STUBBORN + WITH_CHILD, patience=600)) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        launcher.send_signal(signal.SIGINT)
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "stopping\n"
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=15)
        assert _gone(recorded(tmp_path))


@pytest.mark.parametrize("source", [WITH_CHILD, STUBBORN + WITH_CHILD], ids=["willing", "stubborn"])
def test_nothing_survives_a_launcher_that_is_killed(tmp_path: Path, source: str) -> None:
    with launched(tmp_path, _launcher(source, patience=1.0)) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        launcher.kill()
        launcher.wait()
        assert eventually(lambda: _gone(recorded(tmp_path)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
def test_a_willing_program_stops_even_when_the_guardian_is_killed_too(tmp_path: Path) -> None:
    with launched(tmp_path, _launcher()) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        for guardian in _children_running(launcher.pid, "workbench.guardian"):
            os.kill(guardian, signal.SIGKILL)
        launcher.kill()
        launcher.wait()
        assert eventually(lambda: not process_alive(recorded(tmp_path)[0]))


def _children_running(parent: int, what: str) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = [int(pid) for pid in children if what in Path(f"/proc/{pid}/cmdline").read_text()]
    assert found
    return found


DEATH = """
    try:
        with Supervisor(Path("log")) as supervisor:
            supervisor.start(Program("family", {family!r}))
            while not Path("pids").exists():
                supervisor.pause()
            supervisor.start(Program("unlucky", {unlucky!r}))
            supervisor.watch()
    except Problem as problem:
        complain(problem)
        raise SystemExit(1)
"""


def test_one_death_brings_all_down_and_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log" / "unlucky.log"
    log.parent.mkdir()
    log.write_text("a line of yesterday\n")
    unlucky = program("print('first words'); print('last words'); raise SystemExit(7)")
    with launched(tmp_path, DEATH.format(family=program(WITH_CHILD), unlucky=unlucky)) as launcher:
        output, _ = launcher.communicate(timeout=15)
        assert launcher.returncode == 1
        assert "unlucky stopped by itself (exit code 7)" in output
        assert "last words" in output
        assert "yesterday" not in output
        assert _gone(recorded(tmp_path))


def test_a_command_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    source = """
        try:
            with Supervisor(Path("log")) as supervisor:
                supervisor.run(Program("absent", ["no-such-command"]))
        except Problem as problem:
            complain(problem)
    """
    with launched(tmp_path, source) as launcher:
        output, _ = launcher.communicate(timeout=15)
        assert "absent failed (exit code 127)" in output
        assert "no-such-command: No such file" in output


def test_a_program_has_the_signals_that_python_ignores(tmp_path: Path) -> None:
    """With SIGPIPE ignored, `yes | head` would not end; Python's habits are not the program's."""
    source = """
        with Supervisor(Path("log")) as supervisor:
            supervisor.run(Program("signals", ["grep", "SigIgn", "/proc/self/status"]))
    """
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    with launched(tmp_path, source) as launcher:
        launcher.communicate(timeout=15)
        last = (tmp_path / "log" / "signals.log").read_text().splitlines()[-1]
        assert not int(last.split()[1], 16) & 1 << (signal.SIGPIPE - 1)


def test_servers_stop_after_the_services_that_use_them(tmp_path: Path) -> None:
    diary = """
        import pathlib, signal, sys, time
        def leave(*_):
            time.sleep(0.2)
            with open("diary", "a") as diary: print(sys.argv[1], file=diary)
            sys.exit()
        signal.signal(signal.SIGTERM, leave)
        pathlib.Path(sys.argv[1]).touch()
        while True: time.sleep(600)
    """
    source = f"""
        with Supervisor(Path("log")) as supervisor:
            supervisor.start(Program("database", {[*program(diary), "database"]!r}, stage=SERVERS))
            supervisor.start(Program("web", {[*program(diary), "web"]!r}))
            while not (Path("database").exists() and Path("web").exists()):
                supervisor.pause()
    """
    with launched(tmp_path, source) as launcher:
        launcher.communicate(timeout=15)
    assert (tmp_path / "diary").read_text().split() == ["web", "database"]


def test_what_slips_out_of_its_group_is_found(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux lets us adopt it")
    runaway = """
        import os, pathlib, subprocess, sys
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        pathlib.Path("pids").write_text(str(child.pid))
        os._exit(0)
    """
    source = f"""
        with Supervisor(Path("log"), adopt=True) as supervisor:
            supervisor.run(Program("runaway", {program(runaway)!r}))
    """
    with launched(tmp_path, source) as launcher:
        output, _ = launcher.communicate(timeout=15)
        assert (launcher.returncode, output) == (0, "")
        assert recorded(tmp_path)
        assert _gone(recorded(tmp_path))


def test_the_supervisor_gives_the_signals_back(tmp_path: Path) -> None:
    source = """
        import signal
        before = [signal.getsignal(number) for number in STOP_SIGNALS]
        with Supervisor(Path("log")):
            pass
        print(before == [signal.getsignal(number) for number in STOP_SIGNALS])
    """
    with launched(tmp_path, source) as launcher:
        output, _ = launcher.communicate(timeout=15)
        assert output == "True\n"


def test_process_alive_sees_no_zombies() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as ended:
        assert eventually(lambda: not process_alive(ended.pid))


def test_the_folder_stays_locked_until_a_killed_launchers_programs_are_gone(tmp_path: Path) -> None:
    source = f"""
        from workbench.lock import locked
        stubborn = Program("family", {program(STUBBORN + WITH_CHILD)!r}, stop_within=1.0)
        with locked(Path("."), "The demo") as held, Supervisor(Path("log"), held=[held]) as supervisor:
            supervisor.start(stubborn)
            supervisor.watch()
    """
    with launched(tmp_path, source) as launcher:
        assert eventually(lambda: recorded(tmp_path))
        launcher.kill()
        launcher.wait()
        assert is_locked(tmp_path)
        assert eventually(lambda: not is_locked(tmp_path))
        assert _gone(recorded(tmp_path))
