"""The market as arrays of integers, which is what compiled code works on.

Money here is in micro-units of the base currency: costs are rounded down and worths up, to the
favour of a match. Whatever is decided with them is checked exactly (see ``book``) before it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.hourly import Power
from marketplace.engine.snapshot import MICRO
from marketplace.engine.want import Want

Bytes = NDArray[np.uint8]

GANGS, MIXED, DIVISIBLE = 0, 1, 2
"""How the cards of a want come together: in whole gangs; from anywhere at once; spread over time."""

GRAIN_BITS = 10
"""Parts of a card are counted in 1/1024."""

NEVER = 1 << 60
"""The cost of what cannot be had."""


class Supply(NamedTuple):
    """Offers by row. ``free`` and ``cost`` are (rows, slots); ``cost`` is that of a card-hour.

    ``size`` is the most cards that are free at once, in whole lots. ``open`` (powers, rows, slots) is 1 where
    an offer has the power that wants with that number, counted from 1, ask for in every hour.
    """

    free: Ints
    cost: Ints
    lot: Ints
    minimum: Ints
    size: Ints
    model: Ints
    product: Ints
    open: Bytes


class Demand(NamedTuple):
    """Wants by row, those of request r from ``first[r]`` to before ``first[r + 1]``.

    ``amount`` and ``least`` are in units (cards, micro-nP, or unit-hours where divisible), or in
    gangs for ``GANGS``. ``rate`` is what a card of each model does towards the amount (for ``GANGS``:
    0 or 1), 0 where that is not known; ``part`` is the number of its cards that make a gang, else 1.
    ``alone`` is 1 where all cards must come from one offer: a gang that may be filled in part;
    ``interruptible`` where divisible work may pause. ``power`` is the number in ``Supply.open`` of the power
    that each hour must have, 0 where any will do.
    """

    first: Ints
    request: Ints
    kind: Ints
    worth: Ints
    amount: Ints
    least: Ints
    earliest: Ints
    duration: Ints
    deadline: Ints
    profile: Ints
    rate: Ints
    part: Ints
    alone: Ints
    interruptible: Ints
    power: Ints


class Cells(NamedTuple):
    """Neighbouring rows of one product that share shadow prices: ``first[c]`` to before ``first[c + 1]``.

    ``reach[c, s]`` is the latest slot to which one of its offers has cards free without a break from
    slot ``s``; ``peak`` the most cards that one of its offers has free.
    """

    first: Ints
    model: Ints
    reach: Ints
    peak: Ints


class Lists(NamedTuple):
    """For want w the cells in which it may look: entries ``first[of[w]]`` to before ``first[of[w] + 1]``.

    Of the eligible offers in the cell ``lot`` is the smallest lot, ``common`` the greatest number that
    divides all their lots, and ``room`` the cards free at most.
    """

    of: Ints
    first: Ints
    cell: Ints
    lot: Ints
    common: Ints
    room: Ints


def powers(facts: Facts, wanted: Iterable[Want]) -> dict[Power, int]:
    """What wants ask of every hour, numbered from 1 as it is first asked for."""
    asked = (facts.hourly.asked(want.alternative) for want in wanted)
    different = dict.fromkeys(each for each in asked if each is not None)
    return {each: number for number, each in enumerate(different, start=1)}


def opened(facts: Facts, asked: Iterable[Power], rows: Ints) -> Bytes:
    """``Supply.open`` of some offers."""
    whole = slice(0, facts.slots)
    layers = [facts.hourly.open(each, rows, whole) for each in asked]
    return np.array(layers, dtype=np.uint8).reshape(len(layers), rows.size, facts.slots)


def supply(facts: Facts, wanted: Iterable[Want]) -> Supply:
    free = facts.free
    return Supply(
        free=free,
        cost=facts.pico // MICRO,
        lot=facts.lot,
        minimum=facts.minimum,
        size=free.max(axis=1, initial=0) // facts.lot * facts.lot,
        model=facts.model_number,
        product=facts.product,
        open=opened(facts, powers(facts, wanted), np.arange(len(facts))),
    )


def demand(facts: Facts, wanted: list[list[Want]], profiles: Ints) -> Demand:
    """``wanted`` has the wants of each request; ``profiles`` the profile of each want, in that order."""
    flat = [want for own in wanted for want in own]
    counts = [len(own) for own in wanted]
    alternatives = [want.alternative for want in flat]
    kind = np.array([_kind(want) for want in flat], dtype=np.int64)
    gangs = np.array([max(each.gangs, 1) for each in alternatives], dtype=np.int64)
    duration = np.array([each.duration for each in alternatives], dtype=np.int64)
    amount = np.array([want.amount for want in flat], dtype=np.int64)
    least = np.array([want.least_whole for want in flat], dtype=np.int64)
    least_gangs = np.array([want.least_gangs for want in flat], dtype=np.int64)
    rate = facts.rate_table(flat)
    in_gangs, hours = kind == GANGS, np.where(kind == DIVISIBLE, duration, 1)
    part = -(-(-(-amount // gangs))[:, None] // np.maximum(rate, 1))
    return Demand(
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        request=np.repeat(np.arange(len(wanted)), counts).astype(np.int64),
        kind=kind,
        worth=np.array([_worth(want) for want in flat], dtype=np.int64),
        amount=np.where(in_gangs, gangs, amount * hours),
        least=np.where(in_gangs, least_gangs, least),
        earliest=np.array([each.earliest for each in alternatives], dtype=np.int64),
        duration=duration,
        deadline=np.array([each.deadline for each in alternatives], dtype=np.int64),
        profile=profiles,
        rate=np.where(in_gangs[:, None], np.minimum(rate, 1), rate),
        part=np.where(in_gangs[:, None], part, 1),
        alone=np.array([each.gangs == 1 for each in alternatives], dtype=np.int64) * ~in_gangs,
        interruptible=np.array([each.interruptible for each in alternatives], dtype=np.int64),
        power=numbers_of_powers(facts, flat),
    )


def numbers_of_powers(facts: Facts, wanted: Sequence[Want]) -> Ints:
    """``Demand.power`` of some wants."""
    numbers = powers(facts, wanted)
    asked = (facts.hourly.asked(want.alternative) for want in wanted)
    return np.array([0 if each is None else numbers[each] for each in asked], dtype=np.int64)


def every(wanted: Demand, step: int) -> Demand:
    """The wants of the first of every ``step`` requests."""
    requests = np.arange(0, wanted.first.size - 1, step)
    counts = np.diff(wanted.first)[requests]
    wants = np.flatnonzero(wanted.request % step == 0)
    of_wants = {name: getattr(wanted, name)[wants] for name in Demand._fields if name != "first"}
    of_wants["request"] = np.repeat(np.arange(requests.size), counts).astype(np.int64)
    return Demand(first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), **of_wants)


def _worth(want: Want) -> int:
    """What all of it is worth, with no rounding on the way: what a part is worth is in proportion."""
    alternative = want.alternative
    pico = alternative.limit * alternative.amount * alternative.duration * want.base
    return -(-pico // (want.scale * MICRO))


def _kind(want: Want) -> int:
    alternative = want.alternative
    if alternative.divisible:
        return DIVISIBLE
    whole_gangs = alternative.gangs > 1 or (alternative.gangs == 1 and want.least == want.amount)
    return GANGS if whole_gangs else MIXED


@compiled
def serves(bits: Bytes, profile: int, row: int) -> bool:
    """Whether the offer serves wants of that profile: bit ``row`` of ``bits[profile]``."""
    return bool((bits[profile, row >> 3] >> (7 - (row & 7))) & 1)


def cells(supplied: Supply, first: Ints) -> Cells:
    """Cells of the rows between the given borders."""
    count, slots = first.size - 1, supplied.free.shape[1]
    made = Cells(
        first=first,
        model=supplied.model[first[:-1]] if count else first[:0],
        reach=np.zeros((count, slots), dtype=np.int64),
        peak=np.zeros(count, dtype=np.int64),
    )
    _measure(made, supplied.free)
    return made


@compiled
def _measure(cells: Cells, free: Ints) -> None:
    for cell in range(cells.first.size - 1):
        for row in range(cells.first[cell], cells.first[cell + 1]):
            end = 0
            for slot in range(free.shape[1] - 1, -1, -1):
                if free[row, slot] < 1:
                    end = 0
                    continue
                if end == 0:
                    end = slot + 1
                cells.reach[cell, slot] = max(cells.reach[cell, slot], end)
                cells.peak[cell] = max(cells.peak[cell], free[row, slot])


def whole_lists(supplied: Supply, wanted: Demand, bits: Bytes, cells: Cells) -> Lists:
    """Every cell in which a profile has an eligible offer that ever has a lot free; one list a profile."""
    counts = _count_entries(supplied.size, bits, cells.first)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    made = Lists(
        of=wanted.profile,
        first=first,
        cell=np.zeros(first[-1], dtype=np.int64),
        lot=np.zeros(first[-1], dtype=np.int64),
        common=np.zeros(first[-1], dtype=np.int64),
        room=np.zeros(first[-1], dtype=np.int64),
    )
    _fill_entries(supplied.lot, supplied.size, bits, cells.first, made)
    return made


@compiled
def _count_entries(size: Ints, bits: Bytes, first: Ints) -> Ints:
    counts = np.zeros(bits.shape[0], dtype=np.int64)
    for profile in range(bits.shape[0]):
        for cell in range(first.size - 1):
            for row in range(first[cell], first[cell + 1]):
                if size[row] > 0 and serves(bits, profile, row):
                    counts[profile] += 1
                    break
    return counts


@compiled
def _fill_entries(lot: Ints, size: Ints, bits: Bytes, first: Ints, lists: Lists) -> None:
    for profile in range(bits.shape[0]):
        entry = lists.first[profile]
        for cell in range(first.size - 1):
            found = False
            for row in range(first[cell], first[cell + 1]):
                if size[row] == 0 or not serves(bits, profile, row):
                    continue
                lists.lot[entry] = min(lists.lot[entry], lot[row]) if found else lot[row]
                lists.common[entry] = _common_divisor(lists.common[entry], lot[row])
                lists.room[entry] += size[row]
                found = True
            if found:
                lists.cell[entry] = cell
                entry += 1


@compiled
def _common_divisor(one: int, other: int) -> int:
    """The greatest (Euclid); of 0 and a number the number itself."""
    while other > 0:
        one, other = other, one % other
    return one
