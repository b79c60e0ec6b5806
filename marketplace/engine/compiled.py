"""The one place where a function is compiled to machine code.

Compiled functions take and give integers and arrays of integers; what they compute is the same on
every machine. They release the interpreter's lock, so that two of them run beside each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as machine code, made at its first call and kept on disk for the next process."""
    made: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return made
