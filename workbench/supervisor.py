"""Runs programs side by side and takes all of them down together.

No restarts: if one dies, something is wrong that a person should see, so the others are stopped and the
end of its log is shown. Signals only set a flag, which is looked at between steps: no clean-up is ever
cut in half. A second signal while stopping kills what is still there.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Never, Self

from workbench import processes
from workbench.child import command_for
from workbench.guardian import Guardian
from workbench.preflight import Problem

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SERVERS, SERVICES = 0, 1  # stages: services stop before the servers they use
POLL = 0.1
HEARTBEAT = 2.0
LOG_LIMIT = 5 * 1024 * 1024
TAIL_LINES = 20


class StopRequested(Exception):
    """Someone pressed Ctrl-C or sent SIGTERM or SIGHUP."""


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None  # None: ours
    cwd: Path | None = None
    stage: int = SERVICES
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    user: str | None = None  # only root can start a program as somebody else
    console: bool = False  # its output goes to the terminal instead of a log


@dataclass(frozen=True)
class Child:
    program: Program
    process: "subprocess.Popen[bytes]"
    log: Path | None
    log_start: int

    @property
    def group(self) -> processes.Group:
        program = self.program
        return processes.Group(self.process.pid, program.stop_signal, program.stop_within, program.stage)

    def exit_text(self) -> str:
        code = self.process.returncode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def explain(self, what: str) -> str:
        text = f"{self.program.name} {what} ({self.exit_text()})."
        tail = self.tail()
        return f"{text} The end of {self.log}:\n{tail}" if tail else text

    def tail(self) -> str:
        """The last lines that this run logged."""
        if self.log is None:
            return ""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Supervisor:
    """Use as a context manager, in the main thread; leaving it stops everything that was started."""

    def __init__(
        self,
        log_folder: Path,
        *,
        held: Sequence[int] = (),
        adopt: bool = False,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        """`held`: file descriptors to keep open until all is stopped, even if we are killed.
        `adopt`: kill on leaving also what slipped out of its group; only for a process that is ours alone.
        `heartbeat`: called every two seconds or so while we wait.
        """
        self._log_folder = log_folder
        self._held = held
        self._adopt = adopt
        self._heartbeat = heartbeat
        self._next_heartbeat = 0.0
        self._children: list[Child] = []
        self._signals: list[int] = []
        self._heard = 0

    def __enter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        self._handlers = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        if self._adopt:
            processes.adopt_orphans()
        self._guardian = Guardian(self._held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()
        if self._adopt:
            processes.kill_strays(but=[self._guardian.pid])
        self._guardian.dismiss()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def start(self, program: Program) -> Child:
        log, log_start = (None, 0) if program.console else self._open_log(program)
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            process = self._spawn(program, output)
        child = Child(program, process, log, log_start)
        self._children.append(child)
        self._guardian.add(child.group)
        return child

    def _spawn(self, program: Program, output: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            _started_by_us(program),
            env=program.env,
            cwd=program.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )

    def _open_log(self, program: Program) -> tuple[Path, int]:
        log = self._log_folder / f"{program.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as file:
            file.write(
                f"--- {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {shlex.join(program.command)}\n".encode()
            )
            return log, file.tell()

    def run(self, program: Program) -> None:
        """Start it and wait for its end, which must be a good one."""
        child = self.start(program)
        while child.process.poll() is None:
            self.pause(awaited=child)
        if processes.group_alive(child.process.pid):
            processes.stop_groups([child.group])
        self._forget(child)
        if child.process.returncode != 0:
            raise Problem(child.explain("failed"))

    def run_in_foreground(self, program: Program) -> int:
        """Give it the terminal, Ctrl-C included, and return its exit code."""
        process = subprocess.Popen(_started_by_us(program), env=program.env, cwd=program.cwd)
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL)
            if set(self._signals) - {signal.SIGINT}:  # that one it got itself
                process.terminate()

    def wait_until(self, ready: Callable[[], bool], child: Child, within: float) -> None:
        deadline = time.monotonic() + within
        while not ready():
            if time.monotonic() > deadline:
                tail = child.tail()
                raise Problem(f"{child.program.name} was not ready within {within:.0f} s.\n{tail}".rstrip())
            self.pause()

    def watch(self) -> Never:
        """Wait until somebody stops us or a program dies."""
        while True:
            self.pause()

    def pause(self, *, awaited: Child | None = None) -> None:
        """Let a little time pass; the place where bad news arrives. Only `awaited` may end."""
        if self._signals:
            self._heard = len(self._signals)
            raise StopRequested
        for child in self._children:
            if child is not awaited and child.process.poll() is not None:
                raise Problem(child.explain("stopped by itself"))
        if time.monotonic() >= self._next_heartbeat:
            self._heartbeat()
            self._next_heartbeat = time.monotonic() + HEARTBEAT
        time.sleep(POLL)

    def stop_all(self) -> None:
        # A second signal may come before we get here: it is not the one that we were asked to stop by.
        already = self._heard or len(self._signals)
        processes.stop_groups(
            [child.group for child in self._children],
            reap=self._reap,
            hurry=lambda: len(self._signals) > already,
        )
        while self._children:
            self._forget(self._children[-1])

    def _reap(self) -> None:
        for child in self._children:
            child.process.poll()

    def _forget(self, child: Child) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(processes.KILLED_WITHIN)
        if self._adopt:
            processes.reap_group(child.process.pid)
        self._children.remove(child)
        self._guardian.remove(child.process.pid)


def _started_by_us(program: Program) -> list[str]:
    return command_for(os.getpid(), program.stop_signal, program.user, list(program.command))
