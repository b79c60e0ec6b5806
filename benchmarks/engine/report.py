"""docs/benchmarks/engine.md, made of the run sets in engine.jsonl beside it and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import records
from benchmarks.engine.instances import SCALING, SIZES, Regime
from benchmarks.engine.peers import OURS, Outcome, Phase
from benchmarks.engine.runset import Row, RunSet

TRACE = "trace"
FILE = records.FOLDER / "engine.jsonl"
ORDER = (*SIZES, TRACE, *SCALING)
NAMES = {
    OURS: "Cardhour",
    "first-come": "first come, first served",
    "greedy": "greedy by value density",
    "milp": "HiGHS, integer programme",
    "priced-milp": "HiGHS, best columns only",
    "cp-sat": "OR-Tools CP-SAT",
    "lp": "HiGHS, relaxation",
    "descent": "dual descent",
}
NOTHING = "–"
MIB_IN_A_GIB = 1024

INTRODUCTION = """# The engine against its peers

Made by `benchmarks/engine/report.py` from `engine.jsonl` beside it; do not edit. How the figures come about,
and what they do not say, is in [README.md](README.md).
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A share of the best known bound (or of our own one), in so many seconds by the clock."""

    share: float
    of_own: bool
    seconds: float
    memory_gib: float | None = None

    def __str__(self) -> str:
        memory = f", < {self.memory_gib:g} GiB" if self.memory_gib else ""
        whose = "own" if self.of_own else "best known"
        return f"≥ {100 * self.share:g} % of the {whose} bound, < {self.seconds:g} s{memory}"

    def missed(self, runs: RunSet, ours: Outcome, work: Phase) -> list[str]:
        """What was not reached, in figures."""
        share = _share(ours.surplus, ours.bound if self.of_own else _best(runs))
        memory = most_memory(ours)
        reasons = []
        if share is None or share < self.share:
            reasons.append("no bound" if share is None else _percent(share))
        if work.seconds >= self.seconds:
            reasons.append(f"{work.seconds:.1f} s")
        if self.memory_gib is not None and memory >= self.memory_gib * MIB_IN_A_GIB:
            reasons.append(f"{memory:,} MiB")
        return reasons


GOALS: Mapping[str, Goal] = {
    "small": Goal(share=0.995, of_own=False, seconds=2),
    "medium": Goal(share=0.99, of_own=True, seconds=10),
    "national": Goal(share=0.99, of_own=True, seconds=60, memory_gib=4),
}


def record(runs: RunSet, file: Path = FILE) -> None:
    """Keep the run set in the place of the last one of its instance and regime; make the page anew."""
    kept, last = [], None
    for each in records.read(file, RunSet):
        if _name(each) == _name(runs):
            last = each
        else:
            kept.append(each)
    newest = runs if last is None else last.renewed(runs)
    everything = sorted([*kept, newest], key=_place)
    records.write(file, everything, page(everything))


def page(everything: Sequence[RunSet]) -> str:
    markets = [runs for runs in everything if runs.market.instance not in SCALING]
    curve = [runs for runs in everything if runs.market.instance in SCALING]
    parts = [INTRODUCTION]
    if markets:
        parts.append(_summary(markets))
    if curve:
        parts.append(_scaling(curve))
    return "\n".join([*parts, *map(section, markets)])


def section(runs: RunSet) -> str:
    """Title, facts and the table of one market."""
    market = runs.market
    head = (
        "peer", "surplus", "÷ best bound", "proven bound", "matched", "in full", "card-hours", "used",
        "CPU s", "s", "MiB", "measured", "note",
    )  # fmt: skip
    rows = [_cells(runs, row) for row in runs.rows]
    best = runs.best_bound
    known = f"best known bound {best[1]:,.0f} ({NAMES[best[0]]})" if best else "no bound known"
    facts = (
        f"{market.size} (requests × offers × slots), scarcity {market.ratio:.2f}, "
        f"{market.card_hours:,} card-hours free, {known}, snapshot `{market.snapshot[:12]}`. {runs.machine}."
    )
    title = f"## {market.instance}, {market.regime}, seed {market.seed}"
    table = records.markdown(head, rows, {0, len(head) - 2, len(head) - 1})
    return f"{title}\n\n`{runs.command}`\n\n{facts}\n\n{table}\n"


def most_memory(ours: Outcome) -> int:
    """MiB, while clearing and while verifying."""
    return max(phase.memory_mib for phase in (ours.work, ours.verify) if phase is not None)


def _summary(markets: Sequence[RunSet]) -> str:
    head = (
        "market", "÷ best bound", "whose", "÷ own bound", "greedy", "first come", "matched",
        "s", "CPU s", "MiB", "goal", "met",
    )  # fmt: skip
    rows = [_summary_cells(runs, ours) for runs in markets if (ours := runs.ours) and ours.work]
    table = records.markdown(head, rows, {0, 2, len(head) - 2, len(head) - 1})
    text = "Surplus as a share of bounds; *greedy* and *first come* are shares of the best known bound too."
    return f"## Summary\n\n{text}\n\n{table}\n"


def _summary_cells(runs: RunSet, ours: Outcome) -> tuple[str, ...]:
    goal, best, work = GOALS.get(runs.market.instance), runs.best_bound, ours.work
    others = (runs.of("greedy"), runs.of("first-come"))
    missed = goal.missed(runs, ours, work) if goal and work else []
    return (
        f"{runs.market.instance}, {runs.market.regime}",
        _percent(_share(ours.surplus, _best(runs))),
        NAMES[best[0]] if best else NOTHING,
        _percent(_share(ours.surplus, ours.bound)),
        *(_percent(_share(other.surplus if other else None, _best(runs))) for other in others),
        _percent(_share(ours.matched, runs.market.requests)),
        *_efforts(work)[1::-1],
        f"{most_memory(ours):,}",
        str(goal or NOTHING),
        NOTHING if goal is None else f"no: {', '.join(missed)}" if missed else "yes",
    )


def _scaling(curve: Sequence[RunSet]) -> str:
    head = (
        "requests × offers × slots", "regime", "÷ own bound", "s", "CPU s", "MiB", "verify s",
        "greedy ÷ own bound", "greedy s", "measured",
    )  # fmt: skip
    rows = [_scaling_cells(runs, ours) for runs in curve if (ours := runs.ours)]
    command = curve[-1].command
    return f"## Scaling\n\n`{command}`\n\n{records.markdown(head, rows, {0, 1, len(head) - 1})}\n"


def _scaling_cells(runs: RunSet, ours: Outcome) -> tuple[str, ...]:
    greedy = runs.of("greedy")
    processor, seconds, memory = _efforts(ours.work)
    return (
        runs.market.size,
        runs.market.regime,
        _percent(_share(ours.surplus, ours.bound)),
        seconds,
        processor,
        memory,
        _efforts(ours.verify)[1],
        _percent(_share(greedy.surplus if greedy else None, ours.bound)),
        _efforts(greedy.work if greedy else None)[1],
        runs.rows[0].date,
    )


def _cells(runs: RunSet, row: Row) -> tuple[str, ...]:
    outcome, market = row.outcome, runs.market
    return (
        NAMES[outcome.peer],
        _whole(outcome.surplus),
        _percent(_share(outcome.surplus, _best(runs))),
        _whole(outcome.bound),
        _percent(_share(outcome.matched, market.requests)),
        _percent(_share(outcome.full, market.requests)),
        _whole(outcome.card_hours),
        _percent(_share(outcome.card_hours, market.card_hours)),
        *_efforts(outcome.work),
        row.date if row.load is None else f"{row.date}, load {row.load:g}",
        _note(row),
    )


def _note(row: Row) -> str:
    outcome = row.outcome
    parts = [] if row.limit is None else [f"limit {row.limit:g} s"]
    for name, phase in (("verify", outcome.verify), ("warm-up", outcome.warm_up)):
        if phase is not None:
            parts.append(f"{name} {phase.seconds:.1f} s")
    return "; ".join([*parts, outcome.note])


def _efforts(phase: Phase | None) -> tuple[str, str, str]:
    """Processor time, time by the clock, memory."""
    if phase is None:
        return NOTHING, NOTHING, NOTHING
    return f"{phase.processor:.1f}", f"{phase.seconds:.1f}", f"{phase.memory_mib:,}"


def _best(runs: RunSet) -> float | None:
    return None if runs.best_bound is None else runs.best_bound[1]


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.2f} %"


def _whole(figure: float | None) -> str:
    return NOTHING if figure is None else f"{figure:,.0f}"


def _name(runs: RunSet) -> tuple[str, str]:
    return runs.market.instance, runs.market.regime


def _place(runs: RunSet) -> tuple[int, int, str]:
    instance, regime = _name(runs)
    regimes = list(Regime)
    return ORDER.index(instance), regimes.index(Regime(regime)) if regime in regimes else 0, regime
