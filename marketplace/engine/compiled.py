"""The one place where a function is compiled to machine code.

Compiled functions take and give integers and arrays of integers; what they compute is the same on
every machine. They release the interpreter's lock, so that two of them run beside each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as machine code, made at its first call and kept on disk for the next process."""
    if numba.config.DISABLE_JIT:
        return function
    made = numba.njit(cache=True, nogil=True)(function)
    template = made.get_call_template
    # A constant argument is an argument like others: without this there would be one more version for it.
    made.get_call_template = lambda args, kws: template([numba.types.unliteral(each) for each in args], kws)
    return cast("Callable[P, R]", made)
