"""The page docs/benchmarks/rating.md, made of the last measurement."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks import records
from benchmarks.rating.records import Copied, Measured, Rated

FILE = records.FOLDER / "rating.jsonl"
GOAL = 200_000

PAGE = """# How fast readings are rated

`{command}`, seed {seed}, {date}. {machine}; {load}

A month of 720 hours, metered and not rated at all, is rated by `rate_all`: read, judged, charged, hashed and
written with all that guards the table of charges, committed with `synchronous_commit` on. Agreements have 1
to 16 cards and a price of their own in every hour. What an hour costs to rate does not depend on the number
of its readings, so a market whose sites report more often is rated faster, counted in readings. {rounds}
rounds, each with every kind of market in turn, on a fresh copy of its database. Figures are medians of the
rounds, in brackets the least and the greatest.

{speed}

Goal: {goal:,} readings a second. Measured with a reading an hour: **{slowest:,.0f}**; with {often} an hour:
**{fastest:,.0f}**. Processor time is of rating and of the database's process for it together.

What writing charges takes by itself: COPY of the same {charges:,} charges into tables like theirs, with fewer
and fewer guards. Rating leaves out none of them.

{table}
"""


def record(measured: Measured) -> None:
    records.write(FILE, [measured], page(measured))


def page(measured: Measured) -> str:
    slowest, *_, fastest = measured.rated
    return PAGE.format(
        command=measured.command,
        seed=measured.seed,
        date=measured.date,
        machine=measured.machine,
        load=told_load(measured.load),
        rounds=len(slowest.rounds),
        speed=_speed(measured.rated),
        goal=GOAL,
        slowest=median(_rates(slowest)),
        often=fastest.readings_an_hour,
        fastest=median(_rates(fastest)),
        charges=measured.copied[0].charges,
        table=_table(measured.copied),
    )


def told_load(load: float | None) -> str:
    if load is None:
        return "the load of the machine was not counted."
    return f"{load} processes were busy in the last minute, these and others'."


def _rates(kind: Rated) -> list[float]:
    """Readings a second in each round."""
    return [kind.readings / seconds for seconds in kind.rounds]


def _spread(figures: Sequence[float], digits: int) -> str:
    least, middle, greatest = (f"{x:,.{digits}f}" for x in (min(figures), median(figures), max(figures)))
    return f"{middle} ({least}–{greatest})"


def _speed(rated: Sequence[Rated]) -> str:
    rows = [
        (
            f"{kind.readings_an_hour}",
            f"{kind.readings:,}",
            f"{kind.charges:,}",
            _spread([seconds / kind.readings * 1e6 for seconds in kind.rounds], 2),
            _spread(_rates(kind), 0),
            _spread([seconds / kind.charges * 1e6 for seconds in kind.rounds], 1),
            f"{median(kind.processor) / kind.charges * 1e6:.1f}",
        )
        for kind in rated
    ]
    head = (
        "readings an hour",
        "readings",
        "charges",
        "seconds for a million readings",
        "readings a second",
        "µs a charge",
        "processor, µs a charge",
    )
    return records.markdown(head, rows, set())


def _table(copied: Sequence[Copied]) -> str:
    rows = [
        (kind.left_out, _spread([seconds / kind.charges * 1e6 for seconds in kind.rounds], 1))
        for kind in copied
    ]
    return records.markdown(("left out", "µs a charge"), rows, {0})
