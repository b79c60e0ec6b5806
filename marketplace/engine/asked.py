"""What wants ask of one offer alone, as columns that compiled code reads.

``Asked`` has a row a want and is exact; explanations count and quote figures with it. ``Shapes`` has a row
for each way in which one offer might do for a want: so many cards, for so long. It is for looking for
promising offers, which are then tried exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import numbers_of_powers
from marketplace.engine.facts import Facts, Ints, round_up
from marketplace.engine.want import Want

PARTS = 4
"""Of what may come from several offers, those are looked for that do at least a quarter of the least."""


class Asked(NamedTuple):
    """Wants by row. ``use`` is the least that one offer can be used for, ``rate`` (wants, models) what a
    card does towards it. What is filled is worth ``limit * filled // scale * per`` pico.

    An offer may do less than ``amount`` where it does at least ``part`` in whole lots. ``whole`` is all that
    is paid for. ``power`` is the number of the power that each hour must have, as in ``Demand``.
    """

    profile: Ints
    earliest: Ints
    duration: Ints
    deadline: Ints
    divisible: Ints
    use: Ints
    amount: Ints
    part: Ints
    whole: Ints
    limit: Ints
    scale: Ints
    per: Ints
    rate: Ints
    power: Ints


class Shapes(NamedTuple):
    """Ways to serve wants from one offer: ``times`` equal parts of ``units`` each, over ``slots``.

    ``want`` is the number of the want.
    ``span`` is the number of slots in which a unit counts: all of them where work is divisible, else 1.
    ``whole`` is the most that is paid for, at ``limit * filled // scale * per`` pico.
    """

    want: Ints
    profile: Ints
    earliest: Ints
    deadline: Ints
    slots: Ints
    units: Ints
    times: Ints
    span: Ints
    whole: Ints
    limit: Ints
    scale: Ints
    per: Ints


class Kinds(NamedTuple):
    """Offers with the same model, lot and currency need as many cards for the same and pay alike.

    ``of`` is the kind of each row of ``Facts``.
    """

    of: Ints
    model: Ints
    lot: Ints
    base: Ints


def kinds(facts: Facts) -> Kinds:
    figures = np.stack([facts.model_number, facts.lot, facts.base])
    different, of = np.unique(figures, axis=1, return_inverse=True)
    return Kinds(of.reshape(-1).astype(np.int64), *(np.ascontiguousarray(row) for row in different))


def asked(facts: Facts, wants: Sequence[Want], profiles: Sequence[int]) -> Asked:
    rows = [_asked(want) for want in wants]
    columns = np.array(rows, dtype=np.int64).reshape(-1, len(Asked._fields) - 3).T
    every = (np.ascontiguousarray(column) for column in columns)
    return Asked._make(
        [np.array(profiles, dtype=np.int64), *every, facts.rate_table(wants), numbers_of_powers(facts, wants)]
    )


def by_run(asked: Asked, among: Ints, minimum: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Wants ``among`` all whose runs are equally long, with the length of a run by row of ``Facts``.

    Divisible work takes any run that an offer is sold for.
    """
    durations = np.where(asked.divisible == 1, 0, asked.duration)[among]
    for duration, places in in_groups(durations):
        yield among[places], minimum if duration == 0 else np.full_like(minimum, duration)


def in_groups(keys: Ints) -> Iterator[tuple[int, Ints]]:
    """Each key with the places where it stands."""
    order = np.argsort(keys, kind="stable")
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    for places in np.split(order, borders) if order.size else []:
        yield int(keys[places[0]]), places


def _asked(want: Want) -> tuple[int, ...]:
    alternative = want.alternative
    return (
        alternative.earliest,
        alternative.duration,
        alternative.deadline,
        int(alternative.divisible),
        want.smallest_use,
        alternative.amount,
        want.least if alternative.gang else 1,
        want.whole,
        alternative.limit,
        want.scale,
        want.base * (1 if alternative.divisible else alternative.duration),
    )


class Way(NamedTuple):
    """One way in which one offer might do for a want; see ``Shapes``."""

    slots: int
    units: int
    times: int
    span: int
    whole: int


def shapes(wants: Sequence[Want], profiles: Sequence[int]) -> Shapes:
    """Every way to do the least that may be filled, and parts that may come together with others."""
    rows = [
        _shape(want, index, profiles[index], way)
        for index, want in enumerate(wants)
        for way in dict.fromkeys((*ways(want), *_parts(want)))
    ]
    return _columns(rows)


def whole_shapes(wants: Sequence[Want], profiles: Sequence[int]) -> Shapes:
    """Every way to do all that is wanted, and the least of it."""
    rows = [
        _shape(want, index, profiles[index], way)
        for index, want in enumerate(wants)
        for way in dict.fromkeys((*ways(want, whole=True), *ways(want)))
    ]
    return _columns(rows)


def _columns(rows: list[tuple[int, ...]]) -> Shapes:
    columns = np.array(rows, dtype=np.int64).reshape(-1, len(Shapes._fields)).T
    return Shapes(*(np.ascontiguousarray(column) for column in columns))


def _shape(want: Want, index: int, profile: int, way: Way) -> tuple[int, ...]:
    alternative = want.alternative
    per = want.base * (1 if alternative.divisible else alternative.duration)
    window, money = (alternative.earliest, alternative.deadline), (alternative.limit, want.scale, per)
    return index, profile, *window, *way, *money


def ways(want: Want, *, whole: bool = False) -> Iterator[Way]:
    """How one offer might do the least that may be filled, or all of it."""
    alternative = want.alternative
    if alternative.divisible:
        work = want.whole if whole else want.least_whole
        for slots in _lengths(alternative.deadline - alternative.earliest):
            yield Way(slots, -(-work // slots), 1, slots, want.whole)
    elif alternative.gangs > 1:
        gangs = alternative.gangs if whole else want.least_gangs
        filled = want.amount * gangs // alternative.gangs
        yield Way(alternative.duration, want.smallest_use, gangs, 1, filled)
    else:
        yield Way(alternative.duration, want.amount if whole else want.least, 1, 1, want.amount)


def _lengths(window: int) -> Iterator[int]:
    """All of a window, and the powers of two that are shorter."""
    yield window
    length = 1
    while length < window:
        yield length
        length *= 2


def _parts(want: Want) -> Iterator[Way]:
    """What one of several offers might do of the least that may be filled."""
    alternative, part = want.alternative, -(-want.least // PARTS)
    if alternative.divisible:
        work, window = -(-want.least_whole // PARTS), alternative.deadline - alternative.earliest
        for slots in dict.fromkeys((window, min(alternative.duration, window), 1)):
            yield Way(slots, -(-work // slots), 1, slots, want.whole)
    elif alternative.gangs > 1:
        yield Way(alternative.duration, want.smallest_use, 1, 1, want.amount // alternative.gangs)
    elif alternative.gangs == 0 and part < want.least:
        yield Way(alternative.duration, part, 1, 1, want.amount)


def cards_for(facts: Facts, want: Want, row: int, units: int) -> int:
    """Cards of one offer, in whole lots, that do so many units at once."""
    rate, lot = int(facts.yields(want)[row]), int(facts.lot[row])
    return int(round_up(-(-units // rate), lot))


def cards_and_slots(facts: Facts, want: Want, row: int, way: Way) -> tuple[int, int]:
    """What a want takes of one offer in one way; of divisible work no more than it needs."""
    cards = way.times * cards_for(facts, want, row, way.units)
    if not want.alternative.divisible:
        return cards, way.slots
    rate, lot = int(facts.yields(want)[row]), int(facts.lot[row])
    return _no_more_than_needed(way.units * way.slots, cards, rate, lot, int(facts.minimum[row]))


def _no_more_than_needed(work: int, cards: int, rate: int, lot: int, shortest: int) -> tuple[int, int]:
    """Cards and slots of one offer that do divisible work, beginning with ``cards``: no lot and no hour
    that could be left out."""
    slots = 0
    while True:
        hours = max(-(-work // (cards * rate)), shortest)
        fewer = -(-work // (rate * hours * lot)) * lot
        if (fewer, hours) == (cards, slots):
            return cards, slots
        cards, slots = fewer, hours
