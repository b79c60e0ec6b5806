"""Stops the programs when their launcher can no longer do it: killed, crashed, out of memory.

A small process in a session of its own. The launcher tells it, a JSON line each, which groups run; when
the pipe closes, it stops those that are left. It also holds the folder's lock until it has done so.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from workbench.processes import Group, stop_groups


class Guardian:
    """The launcher's end."""

    def __init__(self, held: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workbench.guardian"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=tuple(held),
            start_new_session=True,
        )
        self.pid = self._process.pid

    def add(self, group: Group) -> None:
        self._tell({"add": asdict(group)})

    def remove(self, pgid: int) -> None:
        self._tell({"remove": pgid})

    def _tell(self, message: object) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # It was killed; the children still have the kernel's death signal.

    def dismiss(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def watch() -> None:
    groups: dict[int, Group] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "add" in message:
            group = Group(**message["add"])
            groups[group.pgid] = group
        else:
            groups.pop(message["remove"], None)
    stop_groups(list(groups.values()))


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch()
    os._exit(0)
