"""The real trace as a market: every job of one production cluster on every node of it.

``python -m benchmarks.engine.trace``. The extracts in demo/data hold all 1,213 nodes and all 7,064 jobs that
used a card; the trace has 1,088 more that used none.

A node is an offer, and one fabric; a job is a request for cards of one node, of any model, for the trace
does not say which models would do. Arrivals are folded into the horizon (a week, unless ``--days`` says
otherwise) and jobs that ran for longer than three sevenths of it are cut, as in the generated markets. A
best-effort job may wait for a day, any other begins when it came. The trace knows no money: asks and limits
are drawn around published prices, as in the generated markets, with G2 and G3 shown as current models.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.engine.calibration import Calibration, calibration, round_trips
from benchmarks.engine.demand import HURRY
from benchmarks.engine.generate import HORIZON_START
from benchmarks.engine.peers import PEERS
from benchmarks.engine.report import TRACE, record, section
from benchmarks.engine.runset import SECONDS, describe_market, run
from benchmarks.engine.snapshots import FOLDER
from benchmarks.engine.supply import IDLE_DISCOUNT
from demo.draw import chance, pick
from demo.trace import Job, load_nodes
from marketplace.engine import (
    MICRO,
    SNAPSHOT_FORMAT,
    Alternative,
    Offer,
    Request,
    Site,
    Snapshot,
    Unit,
    Workload,
    check,
    snapshot_bytes,
)

REGION = "cn-ulanqab"
STANDS_FOR: Mapping[str, str] = {
    "T4": "t4",
    "P100": "p100-sxm2",
    "V100M16": "v100-sxm2-16gb",
    "V100M32": "v100-sxm2-32gb",
    "A10": "a10",
    "G2": "a800-sxm-80gb",
    "G3": "h20",
}
"""The trace's models as ours; G2 and G3 are anonymised there."""

DAYS = 7
MAY_WAIT = {"BE": 24}
"""Hours after its arrival by which a job of a service class must begin at the latest."""

BATCH, ONLINE = Workload.TRAINING, Workload.INFERENCE_DECODE


def snapshot(days: int, seed: int) -> Snapshot:
    known, slots = calibration(), days * 24
    site = _site(known)
    cards = _cards()
    return Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start=HORIZON_START,
        slots=slots,
        base_currency="CNY",
        currencies=known.currencies,
        models=tuple(known.models[slug] for slug in sorted(cards)),
        sites=(site,),
        offers=tuple(_offers(known, site, slots, seed)),
        requests=tuple(
            _request(known, site, cards, job, number, slots, seed)
            for number, job in enumerate(known.jobs, start=1)
        ),
    )


def _site(known: Calibration) -> Site:
    region = known.places[REGION]
    zone = known.zones[region.zone]
    return Site(
        id=1,
        owner=1,
        zone=zone.slug,
        jurisdiction=region.jurisdiction,
        currency=zone.currency,
        round_trips=round_trips(region.slug),
        bandwidth=None,
        renewable_share=None,
        carbon=int(region.grid_gco2_per_kwh * 1000),
        verification=0,
        power_cap=(),
    )


def _cards() -> dict[str, int]:
    """Cards of the cluster by our model."""
    cards: dict[str, int] = {}
    for kind in load_nodes():
        model = STANDS_FOR[kind.model]
        cards[model] = cards.get(model, 0) + kind.nodes * kind.cards_per_node
    return cards


def _offers(known: Calibration, site: Site, slots: int, seed: int) -> Iterator[Offer]:
    nodes = (kind for kind in load_nodes() for _ in range(kind.nodes))
    for number, kind in enumerate(nodes, start=1):
        model, rng = STANDS_FOR[kind.model], chance("trace", seed, "node", number)
        ask = round(known.published(model, site.currency) * rng.triangular(*IDLE_DISCOUNT) * MICRO)
        yield Offer(
            id=number,
            site=site.id,
            fabric=number,
            model=model,
            stack=known.stacks[model],
            first_slot=0,
            free=(kind.cards_per_node,) * slots,
            asks=(ask,) * slots,
            lot=1,
            minimum_duration=1,
            notice=0,
            entered=number,
        )


def _request(
    known: Calibration, site: Site, cards: Mapping[str, int], job: Job, number: int, slots: int, seed: int
) -> Request:
    hours = min(max(-(-job.duration_s // 3600), 1), slots * 3 // 7)
    earliest = min(job.arrival_s // 3600 % slots, slots - hours)
    return Request(
        id=number,
        buyer=number,
        currency=site.currency,
        least=MICRO,
        entered=number,
        alternatives=(
            Alternative(
                position=0,
                unit=Unit.CARDS,
                amount=job.cards,
                limit=_limit(known, site, cards, chance("trace", seed, "job", number)),
                workload=BATCH if job.qos in MAY_WAIT else ONLINE,
                models=(),
                careful=False,
                gangs=1,
                divisible=False,
                interruptible=False,
                precision=None,
                memory=None,
                earliest=earliest,
                duration=hours,
                deadline=min(earliest + hours + MAY_WAIT.get(job.qos, 0), slots),
                latency=None,
                bandwidth=None,
                jurisdictions=(),
                stacks=(),
                renewable_share=None,
                carbon=None,
                verification=None,
                notice=None,
            ),
        ),
    )


def _limit(known: Calibration, site: Site, cards: Mapping[str, int], rng: random.Random) -> int:
    price = known.published(pick(rng, cards), site.currency) * rng.choice(known.price_spread)
    return round(price * rng.triangular(*HURRY) * MICRO)


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _parser().parse_args(arguments)
    path = _written(wanted.days, wanted.seed)
    market = describe_market(path, TRACE, f"{wanted.days} days", wanted.seed)
    command = f"python -m benchmarks.engine.trace --days {wanted.days} --seed {wanted.seed}"
    measured = run(market, path, command, wanted.peers, wanted.seconds)
    print(section(measured))
    if not wanted.print_only:
        record(measured)
    return 0


def _written(days: int, seed: int) -> Path:
    made = snapshot(days, seed)
    check(made)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{TRACE}-{days}-{seed}.json"
    path.write_bytes(snapshot_bytes(made))
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.trace", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="length of the horizon")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--print-only", action="store_true", help="leave docs/benchmarks as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
