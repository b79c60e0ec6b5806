"""The first moments of a supervised program, before it becomes that program.

Run by path with `-I -S`, standard library only: it must start fast. It arranges that the kernel tells the
program when its launcher ends (on Linux), becomes another user if asked to, in this order because a change
of user forgets the arrangement, and then replaces itself by the program.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1
NOBODY_ELSE = "-"
NOT_STARTED = 127


def command_for(parent: int, stop_signal: int, user: "str | None", command: "list[str]") -> "list[str]":
    wrapper = [sys.executable, "-I", "-S", os.path.abspath(__file__)]  # noqa: PTH100 - pathlib is slow to import
    return [*wrapper, str(parent), str(int(stop_signal)), user or NOBODY_ELSE, *command]


def main(parent: str, stop_signal: str, user: str, *command: str) -> None:
    if user != NOBODY_ELSE:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended in between
        sys.exit(NOT_STARTED)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[4]}: {error.strerror}\n")
        sys.exit(NOT_STARTED)
