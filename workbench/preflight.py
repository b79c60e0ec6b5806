"""What must be true before anything is made: each check is one clear line when it is not.

Runs before the virtual environment exists, under whatever Python the machine has. So: standard library
only, and no syntax newer than Python 3.6, or "too old" would be a traceback instead of a sentence.
"""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

OLDEST_PYTHON = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
MIB = 1024 * 1024
MIN_FREE_VARIABLE = "CARDHOUR_MIN_FREE_MIB"
HIGHEST_PORT = 65535


class Problem(Exception):
    """Something the person at the keyboard can put right; its text says what and how."""


def check_python(version: "tuple[int, ...]") -> None:
    if version >= OLDEST_PYTHON:
        return
    newer = [name for name in NEWER_PYTHONS if shutil.which(name)]
    advice = "add PYTHON=" + newer[0] if newer else "install a newer one and add PYTHON=python3.12"
    found, oldest = (".".join(str(part) for part in parts) for parts in (version, OLDEST_PYTHON))
    raise Problem(
        f"Python {found} is too old, Cardhour needs {oldest} or newer: {advice} to the make command."
    )


def check_writable(folder: Path) -> None:
    """Try it: permission bits say little about read-only mounts, and nothing to root."""
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        raise Problem(
            f"Cannot write to {folder} ({error.strerror}): make it writable, or clone Cardhour elsewhere."
        ) from error


def check_disk(folder: Path, default_mib: int) -> None:
    needed = _needed_mib(default_mib)
    free = shutil.disk_usage(str(folder)).free // MIB
    if free < needed:
        raise Problem(
            f"Only {free} MiB free in {folder}, {needed} MiB are needed: free some space "
            f"(or set {MIN_FREE_VARIABLE} if you know better)."
        )


def _needed_mib(default_mib: int) -> int:
    given = os.environ.get(MIN_FREE_VARIABLE, "")
    if not given:
        return default_mib
    if not given.isdigit():
        raise Problem(f"{MIN_FREE_VARIABLE} is {given!r}: give a whole number of MiB.")
    return int(given)


def parse_port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= HIGHEST_PORT:
        raise Problem(f"PORT is {text!r}: give a number from 1 to {HIGHEST_PORT}, for example PORT=8001.")
    return int(text)


def check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the web server does: connections of an earlier run in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            advice = f"stop what uses it, or choose another: make demo PORT={_another(port)}"
            raise Problem(f"Cannot use port {port} on 127.0.0.1 ({error.strerror}): {advice}.") from error


def _another(port: int) -> int:
    return port + 1 if 1024 <= port < HIGHEST_PORT else 8000


def complain(problem: object) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"cardhour: {problem}\n")
