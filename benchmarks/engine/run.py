"""Measure the engine against its peers on generated markets, and write it down.

``python -m benchmarks.engine.run --instance small --regime tight --seed 1``. Peers run one after another,
each in a process of its own. The table is printed, and docs/benchmarks/engine.md made anew with it.
``--scaling`` measures the engine and the peers that always end on markets of growing size instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from benchmarks.engine.instances import SCALING, SIZES, Regime
from benchmarks.engine.peers import LIMITED, PEERS
from benchmarks.engine.report import record, section
from benchmarks.engine.runset import SECONDS, describe_market, run
from benchmarks.engine.snapshots import stored

ALL = "all"
ALWAYS_END = tuple(peer for peer in PEERS if peer not in LIMITED)


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    for instance, regime in _markets(wanted):
        path = stored(instance, regime, wanted.seed)
        market = describe_market(path, instance, regime, wanted.seed)
        measured = run(market, path, _command(wanted, instance, regime), _peers(wanted), wanted.seconds)
        print(section(measured), flush=True)
        if not wanted.print_only:
            record(measured)
    return 0


def _markets(wanted: argparse.Namespace) -> Iterable[tuple[str, Regime]]:
    regimes = list(Regime) if wanted.regime == ALL else [Regime(wanted.regime)]
    instances = [wanted.instance] if wanted.scaling is None else wanted.scaling or list(SCALING)
    return [(instance, regime) for instance in instances for regime in regimes]


def _peers(wanted: argparse.Namespace) -> Sequence[str]:
    chosen: Sequence[str] = wanted.peers or (PEERS if wanted.scaling is None else ALWAYS_END)
    return chosen


def _command(wanted: argparse.Namespace, instance: str, regime: Regime) -> str:
    what = f"--instance {instance}" if wanted.scaling is None else "--scaling"
    limit = f" --seconds {wanted.seconds:g}" if wanted.seconds != SECONDS else ""
    return f'make bench-engine ARGS="{what} --regime {regime} --seed {wanted.seed}{limit}"'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.run", description=__doc__)
    parser.add_argument("--instance", choices=list(SIZES), default="small")
    parser.add_argument("--regime", choices=[*Regime, ALL], default=ALL)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="all of them, if not said")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"processor time for each of {', '.join(LIMITED)}"
    )
    parser.add_argument(
        "--scaling", nargs="*", choices=list(SCALING), help="points of the curve; all of them, if not said"
    )
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
