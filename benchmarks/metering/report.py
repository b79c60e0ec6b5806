"""The page docs/benchmarks/metering.md, made of the last measurement."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks import records
from benchmarks.metering.records import Latencies, Measured

FILE = records.FOLDER / "metering.jsonl"
GOAL, AIM = 0.4, 0.6

PAGE = """# How fast meter events are taken in

`{command}`, seed {seed}, {date}. {machine}; {load}

Events of {body} bytes, one a card and minute, of 125 deliveries with 8 cards each. One client sends batches
over HTTP, one after the other on one connection, to gunicorn as in production (`docker/gunicorn.conf.py`).
Each request is authenticated, throttled, audited and kept to its tenant, and answered when its events are
committed with `synchronous_commit` on. Client, web server, PostgreSQL and Valkey share the machine.
{rounds} rounds, each with every kind of batch in turn. Figures are medians of the rounds, in brackets the
least and the greatest.

The yardstick is COPY alone into the same tables with all their indexes, the readings and their keys, in
batches of the same size with a commit each: rows encoded before the clock starts, nothing parsed, judged,
looked up, answered or added up.

{speed}

Goal at batches of 1,000 without duplicates: {goal} of the rate of COPY; aim: {aim}. Measured: **{ratio}**.
Processor time says what it takes whatever others do with the machine: of the client, the web server and the
database's processes for them, over all rounds, and as a share of it what COPY takes: **{share}** at batches
of 1,000. The ratio is taken round by round. p99 is over all batches of a kind; of {fewest} batches of 10,000
it is all but the slowest.

{sizes}

{body} bytes of a reading are the event as it was received. Readings and keys grow with every event, hours
with every hour and meter of a delivery; changed slots wait for rating and go.
"""


def record(measured: Measured) -> None:
    records.write(FILE, [measured], page(measured))


def page(measured: Measured) -> str:
    copies = {kind.size: kind for kind in measured.copies}
    chief = next(kind for kind in measured.sends if _is_chief(kind))
    return PAGE.format(
        command=measured.command,
        seed=measured.seed,
        date=measured.date,
        machine=measured.machine,
        load=_load(measured.load),
        body=measured.body,
        rounds=len(chief.rounds),
        speed=_speed(measured.sends, copies),
        goal=GOAL,
        aim=AIM,
        ratio=f"{median(_ratios(chief, copies[chief.size])):.2f}",
        share=_share(chief, copies[chief.size]),
        fewest=sum(map(len, copies[10_000].rounds)),
        sizes=_sizes(measured),
    )


def _is_chief(kind: Latencies) -> bool:
    return (kind.size, kind.duplicates, kind.connections) == (1_000, 0, 1)


def _load(load: float | None) -> str:
    if load is None:
        return "the load of the machine was not counted."
    return f"{load} processes were busy in the last minute, these and others'."


def _rates(kind: Latencies) -> list[float]:
    """Events a second in each round."""
    return [kind.size * kind.connections * len(seconds) / sum(seconds) for seconds in kind.rounds]


def _ratios(kind: Latencies, copy: Latencies) -> list[float]:
    return [mine / theirs for mine, theirs in zip(_rates(kind), _rates(copy), strict=True)]


def _spread(figures: Sequence[float], digits: int = 0) -> str:
    least, middle, greatest = (f"{x:,.{digits}f}" for x in (min(figures), median(figures), max(figures)))
    return f"{middle} ({least}–{greatest})"


def _processor(kind: Latencies) -> float:
    """Milliseconds of processor time for 1,000 events, of all processes together."""
    events = kind.size * sum(map(len, kind.rounds))
    return sum(kind.processor) * 1_000_000 / events


def _share(kind: Latencies, copy: Latencies) -> str:
    return f"{_processor(copy) / _processor(kind):.2f}" if sum(kind.processor) else "not counted"


def _speed(sends: Sequence[Latencies], copies: dict[int, Latencies]) -> str:
    rows = []
    for kind in sends:
        every = sorted(seconds * 1_000 for each in kind.rounds for seconds in each)
        rows.append(
            (
                f"{kind.size:,}" + (f", {kind.connections} connections" if kind.connections > 1 else ""),
                f"{kind.duplicates} %",
                _spread(_rates(kind)),
                _spread(_rates(copies[kind.size])),
                _spread(_ratios(kind, copies[kind.size]), 2),
                f"{median(every):,.1f}",
                f"{every[99 * (len(every) - 1) // 100]:,.1f}",
                f"{_processor(kind):,.0f}",
                f"{_processor(copies[kind.size]):,.0f}",
            )
        )
    head = (
        "batch",
        "duplicates",
        "events a second",
        "COPY alone",
        "ratio",
        "median, ms",
        "p99, ms",
        "processor, ms for 1,000",
        "of COPY",
    )
    return records.markdown(head, rows, {0})


def _sizes(measured: Measured) -> str:
    rows = [(f"`{table}`", f"{size:,.0f}") for table, size in measured.sizes.items()]
    rows.append(("together", f"{sum(measured.sizes.values()):,.0f}"))
    return records.markdown(("table, with its indexes", "bytes an event"), rows, {0})
