"""What the search looks at, and a placement in the making.

Figures are kept in tables, with a constant for each column: each array that a compiled function is given
has its references counted at every call, and the moves of the search are short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import GANGS, NEVER, Bytes, Cells, Demand, Lists, Supply
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words, draw
from marketplace.engine.windows import running

MOST_TAKES = 32
"""Runs that one request may be spread over."""

MOST_ROWS = 256
"""Offers that are looked at for one want."""

MOST_PIECES = 1024
"""Pieces that divisible work is put together of; neighbours become one run."""

UNIT_BITS = 10
"""Bits after the point of the unit costs by which offers are ordered."""

MOST_COST = 1 << 62
"""Unit costs times units stay below it."""

ROW, CARDS, BEGUN, SLOTS = range(4)
"""Columns of a take: a row of ``Facts``, a number of its cards, the first slot, and for how many slots."""

KIND, WORTH, AMOUNT, LEAST, EARLIEST, DURATION, DEADLINE, PROFILE, ALONE, PAUSING, POWER = range(11)
"""Columns of a want, as in ``Demand``."""

LOT, MINIMUM, SIZE, MODEL = range(4)
"""Columns of an offer, as in ``Supply``."""


class Guide(NamedTuple):
    """What the search looks at and never changes.

    The wants of request r are ``first[r]`` to before ``first[r + 1]``. A want may look in the offers from
    row ``ranges[e, 0]`` to before ``ranges[e, 1]``, e from ``entries[want]`` to before ``entries[want + 1]``,
    the most promising first; it gains no more than ``hopes[e]`` there. ``cost`` and ``price`` are running
    totals over slots, by row, of what a card-hour costs and of what it costs others (its shadow price, or
    its cost where that is higher). ``open`` is that of ``Supply``.
    """

    first: Ints
    wants: Ints
    rate: Ints
    part: Ints
    offers: Ints
    free: Ints
    bits: Bytes
    entries: Ints
    ranges: Ints
    hopes: Ints
    cost: Ints
    price: Ints
    open: Bytes


class Draft(NamedTuple):
    """A placement in the making, and room to compose it in.

    ``found`` holds the want and the number of takes of the best one so far, ``takes`` these. ``purse`` is
    what the request may pay (one figure), ``hours`` by row the card-hours that it may take there.
    ``overlooked`` (one figure) is how likely an offer is not looked at, in 1/1024.

    For mixes: ``rows`` are the offers that were gathered for a want, ``steps`` and ``yields`` the cards and
    units of a step of each; ``has`` and ``costs``, by first slot, the cards free over a run and what one
    costs; ``powered`` has room for the cards of an offer by slot, ``mix`` for figures of one first slot, and
    ``paths`` for two mixes. For divisible work: see ``spreading``.
    """

    found: Ints
    takes: Ints
    purse: Ints
    hours: Ints
    rows: Ints
    steps: Ints
    yields: Ints
    has: Ints
    costs: Ints
    mix: Ints
    paths: Ints
    work: Ints
    grids: Ints
    pieces: Ints
    runs: Ints
    job: Ints
    idle: Ints
    window: Ints
    powered: Ints
    luck: Words
    overlooked: Ints


def guide(
    supplied: Supply, wanted: Demand, bits: Bytes, cells: Cells, lists: Lists, hopes: Ints, prices: Ints
) -> Guide:
    """``hopes`` are what is gained at most by entry of ``lists``, at ``prices``: what a card-hour costs
    others, by row and slot."""
    wants = (
        wanted.kind,
        wanted.worth,
        wanted.amount,
        wanted.least,
        wanted.earliest,
        wanted.duration,
        wanted.deadline,
        wanted.profile,
        wanted.alone,
        wanted.interruptible,
        wanted.power,
    )
    return Guide(
        first=wanted.first,
        wants=np.stack(wants, axis=1),
        rate=wanted.rate,
        part=wanted.part,
        offers=np.stack((supplied.lot, supplied.minimum, supplied.size, supplied.model), axis=1),
        free=supplied.free,
        bits=bits,
        entries=lists.first,
        ranges=np.stack((cells.first[lists.cell], cells.first[lists.cell + 1]), axis=1),
        hopes=hopes,
        cost=running(supplied.cost),
        price=running(prices),
        open=supplied.open,
    )


def blank(guide: Guide) -> Draft:
    """No placement yet."""
    rows, slots = guide.free.shape

    def room(*shape: int) -> Ints:
        return np.zeros(shape, dtype=np.int64)

    return Draft(
        found=room(2),
        takes=room(MOST_TAKES, 4),
        purse=np.full(1, NEVER, dtype=np.int64),
        hours=np.full(rows, NEVER, dtype=np.int64),
        rows=room(MOST_ROWS),
        steps=room(MOST_ROWS),
        yields=room(MOST_ROWS),
        has=room(MOST_ROWS, slots),
        costs=room(MOST_ROWS, slots),
        mix=room(MOST_ROWS, 4),
        paths=room(2, MOST_TAKES + 1, 2),
        work=room(MOST_ROWS, 11),
        grids=room(4, MOST_ROWS, slots),
        pieces=room(MOST_PIECES + 1, 4),
        runs=room(MOST_TAKES, 4),
        job=room(8),
        idle=room(5),
        window=room(slots),
        powered=room(slots),
        luck=np.ones(1, dtype=np.uint64),
        overlooked=room(1),
    )


@compiled
def overlooks(luck: Words, overlooked: int) -> bool:
    """Whether an offer is not looked at this time."""
    return overlooked > 0 and draw(luck, 1024) < overlooked


@compiled
def powered(open_hours: Bytes, free: Ints, room: Ints) -> Ints:
    """The free cards of an offer by slot, none in hours without the power asked for; uses ``room``."""
    for slot in range(room.size):
        room[slot] = free[slot] if open_hours[slot] else 0
    return room


@compiled
def step_cards(kind: int, part: int, lot: int) -> int:
    """The cards that an offer can sell at a time: a lot, or a gang in whole lots."""
    return (part + lot - 1) // lot * lot if kind == GANGS else lot


@compiled
def step_units(kind: int, step: int, rate: int) -> int:
    """The units that a step does: one gang, or the work of its cards."""
    return 1 if kind == GANGS else step * rate


@compiled
def part_of_worth(worth: int, units: int, amount: int) -> int:
    """``worth * units / amount``, rounded down by less than a millionth of the worth."""
    if units >= amount:
        return worth
    return int(worth * (units / amount))


@compiled
def note(take: Ints, row: int, cards: int, begun: int, slots: int) -> None:
    take[ROW], take[CARDS], take[BEGUN], take[SLOTS] = row, cards, begun, slots
