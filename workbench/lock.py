"""One launcher at a time for one data folder."""

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.preflight import Problem
from workbench.processes import process_alive

CLEANED_UP_WITHIN = 60.0
POLL = 0.2


@dataclass(frozen=True)
class Holder:
    pid: int
    what: str


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[int]:
    """Hold the folder for `what`; yields the descriptor that holds it.

    Whoever inherits the descriptor holds the folder too: the guardian keeps it until it has stopped what a
    killed launcher left, so the next run does not meet servers that are still going down.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(Holder(os.getpid(), what))).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + CLEANED_UP_WITHIN
    waiting = False
    while not _try(descriptor):
        holder = _holder(descriptor)
        if process_alive(holder.pid) or time.monotonic() > deadline:
            raise Problem(
                f"{holder.what} is already running in this folder (process {holder.pid}): "
                f"stop it first, or work in another clone. It holds {folder / 'lock'}."
            )
        if not waiting:
            sys.stdout.write("Waiting until what the last run left behind has stopped\n")
            waiting = True
        time.sleep(POLL)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except ValueError:
        return Holder(os.getpid(), "Another command")  # it has only just taken it


def is_locked(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)
