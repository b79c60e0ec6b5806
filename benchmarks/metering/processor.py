"""Processor time of several processes: what others do with the machine leaves no trace in it.

Counted where there is a ``/proc``, in hundredths of a second for each process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
IS_COUNTED = (PROC / "self" / "stat").exists()
TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Processor time since the last look: of this process, and of others that may come and go."""

    def __init__(self) -> None:
        self._own = time.process_time()
        self._others: dict[int, float] = {}

    def seconds(self, others: Iterable[int]) -> float:
        own, before = time.process_time(), self._others
        self._others = {process: used for process in others if (used := _used(process)) is not None}
        spent = own - self._own + sum(used - before.get(pid, 0.0) for pid, used in self._others.items())
        self._own = own
        return spent


def children(parent: int) -> list[int]:
    return [int(path.name) for path in PROC.glob("[0-9]*") if _fields(int(path.name))[1:2] == [str(parent)]]


def _used(process: int) -> float | None:
    fields = _fields(process)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else None


def _fields(process: int) -> list[str]:
    """Those of ``/proc/<pid>/stat`` after the name: state, parent and so on; none of a process that ended."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
