"""Launchers as processes of their own: what is tested is what is left when they end."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0
PREAMBLE = """
from pathlib import Path
from workbench.preflight import Problem, complain
from workbench.supervisor import SERVERS, STOP_SIGNALS, Program, StopRequested, Supervisor
"""

# A program with a child: both write their process ids, neither ends by itself.
WITH_CHILD = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    import os, pathlib
    pathlib.Path("pids.new").write_text(f"{os.getpid()} {child.pid}")
    pathlib.Path("pids.new").rename("pids")
    time.sleep(600)
"""
STUBBORN = "    import signal\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def program(source: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(source)]


@contextlib.contextmanager
def launched(folder: Path, source: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `source`, which finds `folder` and a Supervisor in it, and clean up whatever the test shows."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(source)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        with launcher:
            try:
                yield launcher
            finally:
                launcher.kill()
    finally:
        for pid in recorded(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def recorded(folder: Path) -> list[int]:
    file = folder / "pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def eventually(what: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
