"""Starting processes that do not outlive us, and stopping whole groups of them.

Every program runs in a session of its own, so its process group is the program with all its children.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL = 0.05
LEFTOVERS_WITHIN = 2.0
KILLED_WITHIN = 5.0


@dataclass(frozen=True)
class Group:
    """A process group to stop: its leader is asked first, what remains is told, what stays is killed."""

    pgid: int
    stop_signal: int
    stop_within: float
    stage: int


_libc = ctypes.CDLL(None) if LINUX else None


def die_with_our_parent(stop_signal: int) -> None:
    """The kernel sends us `stop_signal` when the process that started us ends (on Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)


def adopt_orphans() -> None:
    """Descendants whose parent ends become our children instead of init's: we can find and reap them."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stop_groups(
    groups: Sequence[Group],
    *,
    reap: Callable[[], None] = lambda: None,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Stop the groups, those of the highest stage first and those of one stage together."""
    for stage in sorted({group.stage for group in groups}, reverse=True):
        _stop_together([group for group in reversed(groups) if group.stage == stage], reap, hurry)


def _stop_together(groups: Iterable[Group], reap: Callable[[], None], hurry: Callable[[], bool]) -> None:
    stops = [_Stop(group) for group in groups]
    while True:
        reap()
        stops = [stop for stop in stops if stop.step(hurry=hurry())]
        if not stops:
            return
        time.sleep(POLL)


class _Stop:
    """How far the stopping of one group has come."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.kill_at = time.monotonic() + group.stop_within
        self.leader_gone = False
        _send(os.kill, group.pgid, group.stop_signal)

    def step(self, *, hurry: bool) -> bool:
        """Whether anything is left to wait for."""
        pgid, now = self.group.pgid, time.monotonic()
        if not group_alive(pgid):
            return False
        if not self.leader_gone and not process_alive(pgid):
            self.leader_gone = True
            self.kill_at = min(self.kill_at, now + LEFTOVERS_WITHIN)
            _send(os.killpg, pgid, signal.SIGTERM)
        if hurry or now >= self.kill_at:
            _send(os.killpg, pgid, signal.SIGKILL)
        return now < self.kill_at + KILLED_WITHIN


def _send(how: Callable[[int, int], None], target: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(target, number)


def process_alive(pid: int) -> bool:
    if LINUX:
        stat = _stat(pid)
        return stat is not None and stat[0] not in "ZX"
    return _exists(os.kill, pid)


def group_alive(pgid: int) -> bool:
    """Zombies do not count: in a container without an init nobody may ever reap them."""
    if not LINUX:
        return _exists(os.killpg, pgid)
    if not _exists(os.killpg, pgid):
        return False
    stats = (_stat(pid) for pid in _all_pids())
    return any(stat is not None and stat[2] == str(pgid) and stat[0] not in "ZX" for stat in stats)


def _exists(how: Callable[[int, int], None], target: int) -> bool:
    try:
        how(target, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[str, str, str] | None:
    """State, parent and process group."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent, group = text.rpartition(")")[2].split()[:3]
    return state, parent, group


def kill_strays(*, but: Iterable[int]) -> None:
    """Kill the adopted descendants that left their program's group (see `adopt_orphans`)."""
    if not LINUX:
        return
    ours, spared = str(os.getpid()), set(but)
    for pid in _all_pids():
        stat = _stat(pid)
        if stat is not None and stat[1] == ours and pid not in spared:
            _send(os.kill, pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def reap_group(pgid: int) -> None:
    """Collect the exit statuses of adopted members of a group whose leader is gone."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-pgid, os.WNOHANG)[0]:
            pass


def stop_orphan(pid_file: Path, mentioning: str, stop_signal: int, within: float) -> None:
    """Stop a server that an earlier launcher left behind, if the pid file's process really is that server."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    if mentioning in command_line(pid):
        stop_groups([Group(pid, stop_signal, within, 0)])


def command_line(pid: int) -> str:
    if LINUX:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout
