"""The peers, each in a process of its own: ``python -m benchmarks.engine.peers PEER FILE SECONDS``.

Reads a snapshot's bytes from FILE, does the peer's work and prints an ``Outcome`` as JSON. Times run from
the snapshot in memory to the placements (or the bound); memory is the most that the process had resident
in that time, Python and the snapshot included. Peers that search on until they are stopped have SECONDS of
processor time; the others take what they take.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

import msgspec

from benchmarks.engine import bounds, cpsat, highs, placing, program
from benchmarks.engine.columns import Columns, TooManyColumns, columns
from benchmarks.engine.fills import Fill, placements
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.market import BASE_UNIT, Market
from benchmarks.engine.score import score
from marketplace.engine import MICRO, Placement, Result, Snapshot, clear, verify

MOST_FOR_SOLVERS = 400_000
MOST_FOR_DESCENT = 6_000_000
"""Columns; solvers given more do not end within minutes on this kind of machine."""

COLUMNS_A_REQUEST = 30
DESCENT_SHARE = 4
"""A ``priced-milp`` spends one part in so many of its time on the prices."""


@dataclass(frozen=True, slots=True)
class Phase:
    """``seconds`` by the clock, ``processor`` seconds of all threads, peak of resident memory."""

    seconds: float
    processor: float
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a peer found: placements, a bound in units of the base currency, both or neither."""

    placements: Sequence[Placement] | None = None
    bound: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of a table. Money in units of the base currency; ``None`` where it says nothing of it.

    ``warm_up`` is the first call on a tiny market, ``verify`` the check of the result: ours alone has them.
    """

    peer: str
    work: Phase | None = None
    warm_up: Phase | None = None
    verify: Phase | None = None
    surplus: float | None = None
    bound: float | None = None
    matched: int | None = None
    full: int | None = None
    card_hours: int | None = None
    note: str = ""


class Stopwatch:
    """Measures from its making to ``read``."""

    def __init__(self) -> None:
        _forget_peak_memory()
        self._began, self._worked = perf_counter(), process_time()

    def read(self) -> Phase:
        return Phase(perf_counter() - self._began, process_time() - self._worked, peak_memory_mib())


def first_come(snapshot: Snapshot, _until: float) -> Work:
    return Work(placements(snapshot, placing.first_come(snapshot)), note="pays the asks")


def greedy(snapshot: Snapshot, _until: float) -> Work:
    return Work(placements(snapshot, placing.greedy(snapshot)), note="pays the asks")


def milp(snapshot: Snapshot, until: float) -> Work:
    market = Market(snapshot)
    found = columns(market, MOST_FOR_SOLVERS)
    integer = program.IntegerProgram(market, found)
    solved = highs.solve(integer.program, until, integer.values(placing.greedy(snapshot)))
    return Work(
        placements=placements(snapshot, integer.fills(solved.values)),
        bound=solved.bound,
        note=_note(found, solved.status),
    )


def cp_sat(snapshot: Snapshot, until: float) -> Work:
    market = Market(snapshot)
    found = columns(market, MOST_FOR_SOLVERS)
    integer = program.IntegerProgram(market, found)
    solved = cpsat.solve(integer.program, until, integer.values(placing.greedy(snapshot)))
    return Work(
        placements=placements(snapshot, integer.fills(solved.values)),
        bound=solved.bound,
        note=_note(found, solved.status),
    )


def priced_milp(snapshot: Snapshot, until: float) -> Work:
    """The integer programme on the columns that are best at the prices of a short descent.

    It has no bound: what was left out might be better.
    """
    served = placing.greedy(snapshot)
    market = Market(snapshot)
    found = columns(market, MOST_FOR_DESCENT)
    priced = process_time() + (until - process_time()) / DESCENT_SHARE
    prices = bounds.descend(found, market.free, _surplus(served), priced).prices
    best = found.subset(bounds.best_of_each(found, prices, COLUMNS_A_REQUEST))
    integer = program.IntegerProgram(market, best)
    solved = highs.solve(integer.program, until, integer.values(served))
    return Work(placements(snapshot, integer.fills(solved.values)), note=_note(best, solved.status))


def relaxation(snapshot: Snapshot, until: float) -> Work:
    market = Market(snapshot)
    found = columns(market, MOST_FOR_SOLVERS)
    solved = highs.solve(program.relaxation(market, found), until)
    prices = program.relaxed_prices(market, found, solved.duals)
    return Work(bound=bounds.bound(found, market.free, prices), note=_note(found, solved.status))


def descent(snapshot: Snapshot, until: float) -> Work:
    target = _surplus(placing.greedy(snapshot))
    market = Market(snapshot)
    found = columns(market, MOST_FOR_DESCENT)
    reached = bounds.descend(found, market.free, target, until)
    return Work(bound=reached.bound, note=f"{len(found):,} columns; {reached.rounds} rounds")


def _surplus(fills: Sequence[Fill]) -> float:
    return sum(fill.gain for fill in fills) / BASE_UNIT


def _note(found: Columns, status: str) -> str:
    return f"{len(found):,} columns; {status}"


OURS = "ours"
OTHERS: Mapping[str, Callable[[Snapshot, float], Work]] = {
    "first-come": first_come,
    "greedy": greedy,
    "milp": milp,
    "priced-milp": priced_milp,
    "cp-sat": cp_sat,
    "lp": relaxation,
    "descent": descent,
}
PEERS = (OURS, *OTHERS)
LIMITED = ("milp", "priced-milp", "cp-sat", "lp", "descent")
"""Peers that search on until they are stopped."""


def measure(peer: str, snapshot: Snapshot, seconds: float) -> Outcome:
    """Run a peer here and now. Raises ``ValueError`` if its placements could not be delivered or paid."""
    return _ours(snapshot) if peer == OURS else _other(peer, snapshot, seconds)


def _ours(snapshot: Snapshot) -> Outcome:
    """Cleared and verified, after a first call that compiles what is compiled at first use."""
    tiny, watch = _tiny(), Stopwatch()
    verify(tiny, clear(tiny))
    warm_up = watch.read()
    watch = Stopwatch()
    result = clear(snapshot)
    cleared = watch.read()
    watch = Stopwatch()
    verify(snapshot, result)
    verified = watch.read()
    _agree(snapshot, result)
    work = Work(result.placements, bound=result.bound.value / MICRO, note=_refusals(result))
    return _scored(snapshot, OURS, work, cleared, warm_up=warm_up, verify=verified)


def _tiny() -> Snapshot:
    return generate(SIZES["tiny"], Regime.TIGHT, 1)


def _agree(snapshot: Snapshot, result: Result) -> None:
    counted = score(snapshot, result.placements).surplus
    if counted != result.surplus:
        raise ValueError(f"ours: says that its surplus is {result.surplus}, but it is {counted}")


def _refusals(result: Result) -> str:
    refused = [each.foregone for each in result.explanations if each.foregone > 0]
    return (
        f"{result.engine}; {len(refused)} refused in the money ({sum(refused) / MICRO:,.0f}), "
        f"{result.repriced} given up for a price"
    )


def _other(peer: str, snapshot: Snapshot, seconds: float) -> Outcome:
    placing.greedy(_tiny())  # compiles what the peers compile
    watch = Stopwatch()
    try:
        work = OTHERS[peer](snapshot, process_time() + seconds)
    except (TooManyColumns, cpsat.TooLarge) as reason:
        return Outcome(peer, note=f"not run: {reason}")
    except ModuleNotFoundError as missing:
        return Outcome(peer, note=f"not run: {missing.name} is not installed (dependency group bench)")
    return _scored(snapshot, peer, work, watch.read())


def _scored(
    snapshot: Snapshot,
    peer: str,
    work: Work,
    phase: Phase,
    warm_up: Phase | None = None,
    verify: Phase | None = None,
) -> Outcome:
    timed = Outcome(peer, phase, warm_up, verify, bound=work.bound, note=work.note)
    if work.placements is None:
        return timed
    scored = score(snapshot, work.placements)
    if scored.problems:
        raise ValueError(f"{peer}: {len(scored.problems)} problems, the first: {scored.problems[0]}")
    return replace(
        timed,
        surplus=scored.surplus / MICRO,
        matched=scored.matched,
        full=scored.full,
        card_hours=scored.card_hours,
    )


def peak_memory_mib() -> int:
    """Resident memory at its most. Linux keeps it by process in /proc; ``ru_maxrss`` there would count
    the parent's from before the program was started. Elsewhere ``ru_maxrss`` is all there is.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 // (1024 if sys.platform == "darwin" else 1)


def _forget_peak_memory() -> None:
    """Let the peak begin anew at what is resident now; where that cannot be done it stays what it was."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def main() -> None:
    peer, path, seconds = sys.argv[1:]
    snapshot = msgspec.json.decode(Path(path).read_bytes(), type=Snapshot)
    sys.stdout.buffer.write(msgspec.json.encode(measure(peer, snapshot, float(seconds))))


if __name__ == "__main__":
    main()
