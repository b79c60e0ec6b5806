"""`python -m workbench COMMAND`: what the Makefile calls once `.venv` is there."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from workbench import checks, demo
from workbench.preflight import Problem, complain
from workbench.processes import die_with_our_parent
from workbench.supervisor import StopRequested

ROOT = Path(__file__).resolve().parent.parent
INTERRUPTED = 130


def _run_demo(_arguments: list[str]) -> int:
    try:
        demo.run(demo.Place.from_environment(ROOT))
    except StopRequested:
        return 0
    return 0


def _reset(_arguments: list[str]) -> int:
    demo.reset(demo.Place(ROOT))
    return 0


def _test(arguments: list[str]) -> int:
    checks.run_all(ROOT, arguments)
    return 0


def _nightly(arguments: list[str]) -> int:
    checks.run_nightly(ROOT, arguments)
    return 0


def _lint(_arguments: list[str]) -> int:
    checks.run_plain(ROOT, checks.lint(ROOT))
    return 0


def _types(_arguments: list[str]) -> int:
    checks.run_plain(ROOT, checks.types(ROOT))
    return 0


def _format(_arguments: list[str]) -> int:
    checks.run_plain(ROOT, checks.formatting(ROOT))
    return 0


def _manage(arguments: list[str]) -> int:
    return demo.manage(demo.Place.from_environment(ROOT), arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _run_demo,
    "demo-reset": _reset,
    "test": _test,
    "nightly": _nightly,
    "lint": _lint,
    "types": _types,
    "format": _format,
    "manage": _manage,
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        complain(f"usage: python -m workbench {{{','.join(COMMANDS)}}}")
        return 2
    if "MAKELEVEL" in os.environ:
        die_with_our_parent(signal.SIGTERM)  # make was killed: nobody is left to press Ctrl-C
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except Problem as problem:
        complain(problem)
        return 1
    except OSError as error:
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return 1
    except (KeyboardInterrupt, StopRequested):
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
