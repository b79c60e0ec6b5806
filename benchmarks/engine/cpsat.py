"""OR-Tools CP-SAT on the integer programme, in exact integers.

Filled shares are counted in ``SHARE``, money in ``MONEY``. Every rounding makes the programme looser by less
than one such unit, so what CP-SAT proves is a bound on the best placement too; whoever reads the solution
counts it anew.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.engine.market import Floats, Ints
from benchmarks.engine.program import Program

SHARE = 10**6
MONEY = 10**9
LARGEST = 2.0**61
INTEGER_GAP = 1e-4
WORKERS = 8
"""Fewer leave out the strategies that prove bounds. All of them share the one limit in processor time."""

ROUND_OFF = 1e-6
"""Keeps a factor that is whole, but for the last bit of a float, from being rounded down by one."""

GLANCE = 0.1
"""Seconds between two looks at the processor time."""


class TooLarge(RuntimeError):
    """The objective would not fit in CP-SAT's integers."""


@dataclass(frozen=True, slots=True)
class Solved:
    status: str
    values: Floats
    bound: float


def solve(program: Program, until: float, start: Floats) -> Solved:
    """Solve from ``start`` until the processor time of this process is ``until``."""
    cp = importlib.import_module("ortools.sat.python.cp_model")
    model, variables = _model(cp, program)
    known = np.floor(start * _units(program) + ROUND_OFF).astype(np.int64).tolist()
    for variable, value in zip(variables, known, strict=True):
        model.add_hint(variable, value)
    solver = cp.CpSolver()
    solver.parameters.num_workers = WORKERS
    solver.parameters.relative_gap_limit = INTEGER_GAP
    with _Watch(solver, until):
        status = solver.solve(model)
    values = np.zeros(program.gain.size)
    if status in {cp.OPTIMAL, cp.FEASIBLE}:
        values = np.array([solver.value(each) for each in variables], dtype=np.float64)
    ended = "optimal" if status == cp.OPTIMAL else "stopped at the limit"
    return Solved(ended, values, solver.best_objective_bound / MONEY)


class _Watch:
    """Stops the solver, whose own limits count by the clock, at a processor time."""

    def __init__(self, solver: Any, until: float) -> None:
        self._solver, self._until = solver, until
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(GLANCE):
            if process_time() > self._until:
                self._solver.stop_search()


def _model(cp: Any, program: Program) -> tuple[Any, list[Any]]:
    model = cp.CpModel()
    unit = _units(program)
    upper = np.floor(program.upper * unit).astype(np.int64).tolist()
    variables = [model.new_int_var(0, most, "") for most in upper]
    for columns, values, limit in _rows(program, unit):
        terms = cp.LinearExpr.weighted_sum([variables[column] for column in columns], values)
        model.add(terms <= limit)
    gains = np.ceil(program.gain * MONEY / unit)
    if float((np.maximum(gains, 0) * program.upper * unit).sum()) > LARGEST:
        raise TooLarge("its sums of money do not fit in CP-SAT's integers")
    model.maximize(cp.LinearExpr.weighted_sum(variables, gains.astype(np.int64).tolist()))
    return model, variables


def _units(program: Program) -> Ints:
    """What 1 of each variable is counted as."""
    return np.where(program.integral, 1, SHARE)


def _rows(program: Program, unit: Ints) -> Iterator[tuple[list[int], list[int], int]]:
    """Variables, factors and the limit of every row that its variables' limits do not keep already.

    A row with a share in it is multiplied by ``SHARE``; factors are rounded down, which loosens it.
    """
    entries = program.entries
    order = np.lexsort((entries.column, entries.row))
    row, column, value = entries.row[order], entries.column[order], entries.value[order]
    rows = program.limits.size
    scale = np.ones(rows, dtype=np.int64)
    scale[row[~program.integral[column]]] = SHARE
    factors = np.floor(value * scale[row] / unit[column] + ROUND_OFF).astype(np.int64)
    most = np.bincount(row, weights=np.maximum(value, 0) * program.upper[column], minlength=rows)
    begins = np.searchsorted(row, np.arange(rows + 1))
    for number in np.flatnonzero(most > program.limits).tolist():
        entry = slice(begins[number], begins[number + 1])
        limit = int(program.limits[number] * scale[number])
        yield column[entry].tolist(), factors[entry].tolist(), limit
