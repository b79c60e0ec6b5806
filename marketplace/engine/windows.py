"""Arithmetic over runs of consecutive slots.

Matrices have one row an offer and one column a slot from ``earliest`` to ``deadline``; results
have one column a possible first slot. ``duration`` is the number of slots in a run.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine.facts import FAR, Facts, Ints, Mask, round_up
from marketplace.engine.want import Want


def running(matrix: Ints) -> Ints:
    """What each row sums up to before every slot, and in all: one column more than ``matrix``."""
    sums = np.zeros((matrix.shape[0], matrix.shape[1] + 1), dtype=np.int64)
    np.cumsum(matrix, axis=1, out=sums[:, 1:])
    return sums


def totals(matrix: Ints, duration: int) -> Ints:
    """The sum of every run."""
    sums = running(matrix)
    return sums[:, duration:] - sums[:, :-duration]


def unbroken(good: Mask, duration: int) -> Mask:
    """Which runs are good in every slot."""
    bad = np.zeros((good.shape[0], good.shape[1] + 1), dtype=np.int32)
    np.cumsum(~good, axis=1, dtype=np.int32, out=bad[:, 1:])
    runs: Mask = bad[:, duration:] == bad[:, :-duration]
    return runs


def longest(good: Mask) -> Ints:
    """How many good slots follow each other at most in each row."""
    slots = np.arange(1, good.shape[1] + 1)
    last_bad = np.maximum.accumulate(np.where(good, 0, slots), axis=1)
    return np.asarray((slots - last_bad).max(axis=1, initial=0), dtype=np.int64)


def smallest(matrix: Ints, duration: int) -> Ints:
    """The smallest entry of every run, by doubling."""
    found, width = matrix, 1
    while width < duration:
        step = min(width, duration - width)
        found = np.minimum(found[:, :-step], found[:, step:])
        width += step
    return found


def needs(facts: Facts, want: Want, rows: Ints, amount: int) -> Ints:
    """Cards that each offer must sell, in whole lots, to fill ``amount`` alone."""
    return np.asarray(round_up(-(-amount // facts.yields(want)[rows]), facts.lot[rows]), dtype=np.int64)


def budgets(facts: Facts, want: Want, rows: Ints, cards: Ints) -> Ints:
    """What one card may cost over the whole run, in micro-units of each offer's own currency,
    so that ``cards`` of it stay within the limit of what they fill. -1 where ``cards`` is 0.
    """
    filled = np.minimum(cards * facts.yields(want)[rows], want.amount)
    keys = zip(cards.tolist(), filled.tolist(), facts.base[rows].tolist(), strict=True)
    known: dict[tuple[int, int, int], int] = {}
    found = []
    for key in keys:
        if key not in known:
            number, part, base = key
            known[key] = min(want.worth(part) // (number * base), FAR - 1) if number else -1
        found.append(known[key])
    return np.array(found, dtype=np.int64)


def generous_budgets(facts: Facts, want: Want, rows: Ints) -> Ints:
    """``budgets`` at the most favourable of the fills that an offer may be used for.

    The whole amount wastes a part of the last lot; the most whole lots below the amount waste
    nothing, and are allowed where the offer need not fill everything (or ``least``) alone.
    """
    everything = budgets(facts, want, rows, needs(facts, want, rows, want.amount))
    yields, lot = facts.yields(want)[rows], facts.lot[rows]
    below = want.amount // (yields * lot) * lot
    minimum = want.least if want.alternative.gang else 1
    below = np.where(below * yields >= minimum, below, 0)
    return np.maximum(everything, budgets(facts, want, rows, below))
