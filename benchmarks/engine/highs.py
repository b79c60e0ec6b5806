"""HiGHS, with one thread and a limit in processor time."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.engine.market import Floats
from benchmarks.engine.program import Program

INTEGER_GAP = 1e-4
PATIENCE = 2.5
"""Seconds by the clock for one of processor time: others may be using the machine too."""

TOLERANCE = 1 + 1e-6
"""A bound that HiGHS proves holds up to its tolerances."""


@dataclass(frozen=True, slots=True)
class Solved:
    """``bound`` is what was proven about the optimum; infinite if nothing was."""

    status: str
    values: Floats
    duals: Floats
    bound: float


def solve(program: Program, until: float, start: Floats | None = None) -> Solved:
    """Solve from ``start`` until the processor time of this process is ``until``."""
    highs = importlib.import_module("highspy")
    solver = highs.Highs()
    options = {
        "output_flag": False,
        "time_limit": PATIENCE * max(until - process_time(), 1),
        "threads": 1,
        "mip_rel_gap": INTEGER_GAP,
    }
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(_model(highs, program))
    if start is not None:
        known = highs.HighsSolution()
        known.col_value = start
        solver.setSolution(known)
    _stop_at(solver, until)
    solver.run()
    solution = solver.getSolution()
    return Solved(
        status=_status(highs, solver),
        values=np.array(solution.col_value or np.zeros(program.gain.size)),
        duals=np.array(solution.row_dual or np.zeros(program.limits.size)),
        bound=solver.getInfo().mip_dual_bound * TOLERANCE if program.integral.any() else np.inf,
    )


def _status(highs: Any, solver: Any) -> str:
    """In HiGHS's words, but that it does not know why we interrupted it."""
    status = solver.getModelStatus()
    if status in {highs.HighsModelStatus.kInterrupt, highs.HighsModelStatus.kTimeLimit}:
        return "stopped at the limit"
    return str(solver.modelStatusToString(status)).lower()


def _stop_at(solver: Any, until: float) -> None:
    """HiGHS asks now and then whether to stop; its own limit counts by the clock."""

    def look(event: Any) -> None:
        event.interrupt(process_time() > until)

    for callback in (solver.cbSimplexInterrupt, solver.cbIpmInterrupt, solver.cbMipInterrupt):
        callback.subscribe(look)


def _model(highs: Any, program: Program) -> Any:
    entries = program.entries
    order = np.lexsort((entries.row, entries.column))
    model = highs.HighsLp()
    model.num_col_, model.num_row_ = program.gain.size, program.limits.size
    model.sense_ = highs.ObjSense.kMaximize
    model.col_cost_, model.col_lower_ = program.gain, np.zeros(program.gain.size)
    model.col_upper_, model.row_upper_ = program.upper, program.limits
    model.row_lower_ = np.full(program.limits.size, -np.inf)
    model.a_matrix_.format_ = highs.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.searchsorted(entries.column[order], np.arange(program.gain.size + 1))
    model.a_matrix_.index_, model.a_matrix_.value_ = entries.row[order], entries.value[order]
    if program.integral.any():
        kinds = (highs.HighsVarType.kContinuous, highs.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(one)] for one in program.integral.tolist()]
    return model
