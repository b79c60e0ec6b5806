"""What can an owner gain by asking more or less than its cost, or a buyer by bidding less or more?

``python -m benchmarks.engine.incentives --instance small --regime tight``. The market is cleared once with
everybody truthful. Then, for each of a seeded sample of owners, with that owner's asks shaded by each share
and all else as it was; the same for buyers and their limits. Uniform prices with indivisible orders are not
strategy-proof, and this says by how much.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

import msgspec

from benchmarks import records
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.machine import Machine, describe
from benchmarks.engine.shading import PER_CENT, SHADES, SIDES, Trial, trials
from benchmarks.engine.snapshots import stored
from marketplace.engine import Snapshot, clear, digest, verify

FILE = records.FOLDER / "incentives.jsonl"
SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Spread:
    mean: float
    median: float
    ninetieth: float
    most: float


@dataclass(frozen=True, slots=True)
class Gains:
    """Changes of profit of those who shade by ``shade`` per cent (``None``: by what suits each best).

    Shares of the truthful profit and turnover, of those who had any.
    """

    side: str
    shade: int | None
    gained: int
    by_profit: Spread
    by_turnover: Spread


@dataclass(frozen=True, slots=True)
class Measurement:
    """By side: how many were tried, and how many of them trade, and with a profit, when truthful."""

    instance: str
    regime: str
    seed: int
    snapshot: str
    engine: str
    sampled: Mapping[str, int]
    traded: Mapping[str, int]
    profited: Mapping[str, int]
    rows: tuple[Gains, ...]
    command: str
    date: str
    machine: Machine


def gains(side: str, shade: int | None, tried: Sequence[Trial]) -> Gains:
    return Gains(
        side=side,
        shade=shade,
        gained=sum(trial.gain(shade) > 0 for trial in tried),
        by_profit=_spread([t.gain(shade) / t.truthful.profit for t in tried if t.truthful.profit > 0]),
        by_turnover=_spread([t.gain(shade) / t.truthful.turnover for t in tried if t.truthful.turnover > 0]),
    )


def measure(instance: str, regime: Regime, seed: int, sample: int) -> Measurement:
    data = stored(instance, regime, seed).read_bytes()
    snapshot = msgspec.json.decode(data, type=Snapshot)
    truth = clear(snapshot)
    verify(snapshot, truth)
    tried = {side.name: trials(snapshot, truth, side, sample, seed) for side in SIDES}
    return Measurement(
        instance=instance,
        regime=regime,
        seed=seed,
        snapshot=digest(data),
        engine=truth.engine,
        sampled={name: len(found) for name, found in tried.items()},
        traded={name: sum(each.truthful.turnover > 0 for each in found) for name, found in tried.items()},
        profited={name: sum(each.truthful.profit > 0 for each in found) for name, found in tried.items()},
        rows=tuple(gains(name, shade, found) for name, found in tried.items() for shade in (*SHADES, None)),
        command=(
            f"python -m benchmarks.engine.incentives --instance {instance} --regime {regime} "
            f"--seed {seed} --sample {sample}"
        ),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=describe(),
    )


def _spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(0.0, 0.0, 0.0, 0.0)
    ordered = sorted(values)
    return Spread(mean(ordered), median(ordered), ordered[(len(ordered) - 1) * 9 // 10], ordered[-1])


INTRODUCTION = """# What shading a price gains

Made by `benchmarks/engine/incentives.py` from `incentives.jsonl` beside it; do not edit.

Everybody else stays truthful. A row is one clearing of the whole market for each sampled owner (buyer), with
all of its asks (limits) changed by so many per cent. *The best of these* is what each could have gained had
it known which change suits it, the truth among them. Gains are changes of profit at the true asks and
limits, as shares of the truthful profit and of what is received (paid) when truthful, over those who have
any; *gained* counts everybody who would have gained something.
"""
HEAD = (
    "who", "shade", "gained", "of profit: mean", "median", "p90", "max",
    "of turnover: mean", "median", "p90", "max",
)  # fmt: skip


def record(measured: Measurement, file: Path = FILE) -> None:
    """In the place of the last measurement of the same market."""

    def name(each: Measurement) -> tuple[int, int]:
        return list(SIZES).index(each.instance), list(Regime).index(Regime(each.regime))

    others = (each for each in records.read(file, Measurement) if name(each) != name(measured))
    everything = sorted([*others, measured], key=name)
    records.write(file, everything, "\n".join([INTRODUCTION, *map(section, everything)]))


def section(measured: Measurement) -> str:
    traded = ", ".join(
        f"{sampled} {name} sampled, of whom {measured.traded[name]} trade when truthful and "
        f"{measured.profited[name]} with a profit"
        for name, sampled in measured.sampled.items()
    )
    market = f"{measured.engine}, snapshot `{measured.snapshot[:12]}`"
    facts = f"{traded}. {market}. {measured.date}, {measured.machine}."
    rows = [_cells(measured, row) for row in measured.rows]
    title = f"## {measured.instance}, {measured.regime}, seed {measured.seed}"
    return f"{title}\n\n`{measured.command}`\n\n{facts}\n\n{records.markdown(HEAD, rows, {0, 1})}\n"


def _cells(measured: Measurement, row: Gains) -> tuple[str, ...]:
    return (
        row.side,
        "the best of these" if row.shade is None else f"{row.shade:+} %",
        f"{row.gained} of {measured.sampled[row.side]}",
        *(
            f"{PER_CENT * figure:+.2f} %"
            for spread in (row.by_profit, row.by_turnover)
            for figure in (spread.mean, spread.median, spread.ninetieth, spread.most)
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.incentives", description=__doc__)
    parser.add_argument("--instance", choices=list(SIZES), default="small")
    parser.add_argument("--regime", choices=list(Regime), type=Regime, default=Regime.TIGHT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="owners, and buyers")
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    wanted = parser.parse_args(arguments)
    measured = measure(wanted.instance, wanted.regime, wanted.seed, wanted.sample)
    print(section(measured))
    if not wanted.print_only:
        record(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
