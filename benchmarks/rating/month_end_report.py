"""The page docs/benchmarks/month-end.md, made of the last measurement of each size."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import records
from benchmarks.rating.records import MonthEnd
from benchmarks.rating.report import told_load

FILE = records.FOLDER / "month-end.jsonl"
GOAL = 600
# What the goal is about.
AGREEMENTS, HOURS = 100_000, 720

PAGE = """# How long a month takes to rate and to close

Nothing of the month is rated when it begins: `rate_all` rates all of it, in runs of a million hours, and
`close_due_periods` makes the invoices of up to 2,000 buyers and the statements of up to 200 owners, with
their lines, the charges that stand on each, taxes and journals. The exchange rates every hour, so at a
month's end only the closing is left. There is a reading an hour; it is the sum of an hour that costs,
whatever the number of its readings. Seconds are by the clock, memory is the most that each process held:
rating and closing are one process of ours and one of the database, of which up to 128 MiB are shared buffers.

{table}

Goal: {agreements:,} agreements × {hours} hours within {goal} s, memory under 1 GiB. The last column is what
that many hours would take at the rate that was measured; only where the row has that many was it measured.

{conditions}
"""


def record(measured: MonthEnd) -> None:
    others = [
        each
        for each in records.read(FILE, MonthEnd)
        if (each.agreements, each.hours, each.with_readings)
        != (measured.agreements, measured.hours, measured.with_readings)
    ]
    rows = sorted([*others, measured], key=lambda each: (each.agreements, each.hours, each.with_readings))
    records.write(FILE, rows, page(rows))


def page(rows: Sequence[MonthEnd]) -> str:
    return PAGE.format(
        table=_table(rows),
        agreements=AGREEMENTS,
        hours=HOURS,
        goal=GOAL,
        conditions="\n".join(
            f"- {each.agreements:,} × {each.hours}: `{each.command}`, {each.date}. {each.machine}; "
            f"{told_load(each.load)}"
            for each in rows
        ),
    )


def _table(rows: Sequence[MonthEnd]) -> str:
    cells = []
    for each in rows:
        charges = each.agreements * each.hours
        cells.append(
            (
                f"{each.agreements:,} × {each.hours}" + ("" if each.with_readings else ", no readings"),
                f"{each.runs}",
                f"{each.rating:,.1f}",
                f"{each.closing:,.1f}",
                f"{charges / (each.rating + each.closing):,.0f}",
                f"{each.documents:,}",
                f"{each.memory:,}",
                "not counted" if each.memory_of_database is None else f"{each.memory_of_database:,}",
                f"{(each.rating + each.closing) / charges * AGREEMENTS * HOURS:,.0f}",
            )
        )
    head = (
        "agreements × hours", "runs", "rating, s", "closing, s", "hours a second", "documents", "our MiB",
        "the database's MiB", "s for the goal's size",
    )  # fmt: skip
    return records.markdown(head, cells, {0})
