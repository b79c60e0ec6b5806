"""A run with its charges, written down: the lines that are hashed are the rows that are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db import connection

from billing.metering.rules import HOUR, microseconds, moment_at
from billing.money import from_pico
from billing.rating.columns import Column
from billing.rating.models import Charge, RatingRun
from billing.rating.records import (
    Totals,
    add_to,
    code_version,
    in_order,
    line_of,
    no_totals,
    price_basis,
    told,
)
from billing.rating.usual import FirstCharges

A_BLOCK = 10_000
COPY = """
    COPY rating_charge (kind, agreement_id, slot, sequence, corrects_id, quantity, committed, price, currency,
                        amount, commission, credit, last_reading, run_id)
    FROM STDIN (NULL '-')
"""
PICO, MICRO = 10**12, 10**6
# Room for the hours since 2000, below an agreement: enough for nineteen centuries.
HOURS = 2**24
LINE = b"usage\t%d\t%s\t0\t-\t%d\t%d\t%d.%06d\t%s\t%d.%012d\t%d.%012d\t%d.%012d\t%d\n"


def write_run(first: FirstCharges, others: Sequence[Charge], **facts: Any) -> RatingRun:
    """Store a run with the first charges of usual hours, and the other charges of the run.

    COPY writes them into the table as it is, with all that guards it.
    """
    others = in_order(others)
    run = RatingRun.objects.create(
        code=code_version(),
        charges_made=len(first) + len(others),
        sums=told(_totals(first, others)),
        price_basis=price_basis({*first.agreement.tolist(), *(charge.agreement_id for charge in others)}),
        **facts,
    )
    run.seal(_copy(_blocks(first, others), run=run.pk))
    return run


def _copy(blocks: Iterator[bytes], *, run: int) -> str:
    """Write lines while they are made; their digest."""
    digest, of_run = hashlib.sha256(), b"\t%d\n" % run
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for block in blocks:
            digest.update(block)
            copy.write(block.replace(b"\n", of_run))
    return digest.hexdigest()


def _blocks(first: FirstCharges, others: Sequence[Charge]) -> Iterator[bytes]:
    """The lines of all charges, in the order of agreements and slots. No slot is in both."""
    order = first.agreement * HOURS + first.slot // HOUR
    places = np.searchsorted(
        order, [charge.agreement_id * HOURS + microseconds(charge.slot) // HOUR for charge in others]
    )
    begin = 0
    for place, charge in zip(places.tolist(), others, strict=True):
        yield from _blocks_of(first, begin, place)
        yield f"{line_of(charge)}\n".encode()
        begin = place
    yield from _blocks_of(first, begin, len(first))


def _blocks_of(first: FirstCharges, begin: int, end: int) -> Iterator[bytes]:
    for start in range(begin, end, A_BLOCK):
        yield b"".join(_lines(first, slice(start, min(start + A_BLOCK, end))))


def _lines(first: FirstCharges, part: slice) -> list[bytes]:
    """What ``line_of`` says of each."""
    amount, commission = first.amount[part], first.commission[part]
    moments, number = np.unique(first.slot[part], return_inverse=True)
    texts = [moment_at(moment).isoformat().encode() for moment in moments.tolist()]
    columns: tuple[Column, ...] = (
        first.quantity[part], first.committed[part], *_split(first.price[part], MICRO), first.currency[part],
        *_split(amount, PICO), *_split(commission, PICO), *_split(amount - commission, PICO),
        first.last_reading[part],
    )  # fmt: skip
    slots = (texts[each] for each in number.tolist())
    rows = zip(first.agreement[part].tolist(), slots, *(column.tolist() for column in columns), strict=True)
    return [LINE % row for row in rows]


def _split(units: Column, one: int) -> tuple[Column, Column]:
    """What stands before the decimal point, and after it."""
    return units // one, units % one


def _totals(first: FirstCharges, others: Sequence[Charge]) -> Totals:
    totals = no_totals()
    add_to(totals, others)
    for currency in np.unique(first.currency):
        chosen = first.currency == currency
        amount, commission = _sum(first.amount[chosen]), _sum(first.commission[chosen])
        total = totals[currency.decode()]
        total["charges"] += int(chosen.sum())
        total["quantity"] += int(first.quantity[chosen].sum())
        total["amount"] += from_pico(amount)
        total["commission"] += from_pico(commission)
        total["credit"] += from_pico(amount - commission)
    return totals


def _sum(pico: Column) -> int:
    """Exact: whole units and the rest apart, for together they may have more than 64 bits."""
    before, after = _split(pico, PICO)
    return int(before.sum()) * PICO + int(after.sum())
