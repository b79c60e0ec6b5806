"""The one place where a function is compiled to machine code.

Compiled functions take and give integers and arrays of integers; what they compute is the same on
every machine. They release the interpreter's lock, so that two of them run beside each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def _digest_of_sources() -> bytes:
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in sources)).digest()


SOURCES = _digest_of_sources()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as machine code, made at its first call and kept on disk for the next process."""
    made = numba.njit(cache=True, nogil=True)(function)
    if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        _depend_on_all_sources(made)
        _take_constants_for_variables(made)
    return cast("Callable[P, R]", made)


def _depend_on_all_sources(made: Any) -> None:
    """Do not use what was kept before any file of the engine was changed.

    numba asks only whether the file of the function itself is the same; but what was kept has in it the
    machine code of the functions that it calls.
    """
    kept = made._cache._cache_file  # noqa: SLF001
    kept._source_stamp = kept._source_stamp, SOURCES  # noqa: SLF001


def _take_constants_for_variables(made: Any) -> None:
    """Make no version of its own of a function for each constant that it is called with."""
    template = made.get_call_template

    def template_without_constants(given: Sequence[Any], named: Mapping[str, Any]) -> Any:
        variables = [numba.types.unliteral(each) for each in given]  # type: ignore[no-untyped-call]
        return template(variables, named)

    made.get_call_template = template_without_constants
