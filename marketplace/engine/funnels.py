"""How many offers the window, the capacity and the limit remove from each want: one sweep over all.

It looks at the market as it is before the run, at the asks. Standing constraints and minimum durations are
answered before, by the profile of a want.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketplace.engine.asked import Asked, Kinds, by_run, in_groups
from marketplace.engine.budgets import card_budget, cards_needed
from marketplace.engine.columns import NEVER, Bytes
from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints, Mask
from marketplace.engine.shelf import Runs, Shelf, cheapest_run, members, runs

WITHIN, LATE, SHORT, DEAR, UNSURE = 0, 1, 2, 3, 4
"""What becomes of an offer that meets the standing constraints: it stays; or the window, the capacity or
the limit removes it."""


BLOCK = 512
"""Eighths of the offers that are looked at together, so that what is known of them stays in the cache."""


class Held(NamedTuple):
    """Rows that wants got: those of want w are ``row[first[w]]`` to before ``row[first[w + 1]]``."""

    first: Ints
    row: Ints

    @classmethod
    def of(cls, held: Sequence[Sequence[int]]) -> Held:
        first = np.cumsum([0, *map(len, held)])
        return cls(first.astype(np.int64), np.array([row for rows in held for row in rows], dtype=np.int64))


class Funnelled(NamedTuple):
    """Offers by want and verdict; and for wants with a number in ``told``, one bit an offer that fits.

    An offer fits that stays, or that only the limit removes.
    """

    counts: Ints
    told: Ints
    fitting: Bytes


def funnelled(
    asked: Asked,
    kinds: Kinds,
    shelves: Sequence[Shelf],
    minimum: Ints,
    bits: Bytes,
    held: Held,
    refused: Mask,
) -> Funnelled:
    """``minimum`` is the least number of slots that an offer is sold for; ``refused`` wants are told more.

    ``shelves`` are by what wants ask of the power of every hour, the first for those that ask nothing.
    What a want got stays: as a part of a mix an offer may be dearer than the limit, where the mean of the
    mix is not.
    """
    made = Funnelled(
        np.zeros((asked.profile.size, 4), dtype=np.int64),
        np.where(refused, np.cumsum(refused) - 1, -1),
        np.zeros((int(refused.sum()), bits.shape[1]), dtype=np.uint8),
    )
    for power, among in in_groups(asked.power):
        shelf = shelves[power]
        for wants, slots in by_run(asked, among, minimum):
            measured = runs(shelf, slots)
            _judge_all(asked, wants, kinds, shelf, measured, bits, made)
            _keep_held(asked, wants, kinds, shelf, measured, held, made.counts)
    return made


@compiled
def _judge_all(
    asked: Asked, wants: Ints, kinds: Kinds, shelf: Shelf, runs: Runs, bits: Bytes, made: Funnelled
) -> None:
    counts, told, fitting = made.counts, made.told, made.fitting
    rows = np.empty(runs.slots.size, dtype=np.int64)
    verdicts = np.empty(runs.slots.size, dtype=np.int64)
    for block in range(0, bits.shape[1], BLOCK):
        for want in wants:
            found = members(bits[asked.profile[want]], block, block + BLOCK, rows)
            judge(asked, want, kinds, shelf, runs, rows[:found], verdicts)
            late, short, dear = 0, 0, 0
            for index in range(found):
                late += verdicts[index] == LATE
                short += verdicts[index] == SHORT
                dear += verdicts[index] == DEAR
            counts[want, LATE] += late
            counts[want, SHORT] += short
            counts[want, DEAR] += dear
            counts[want, WITHIN] += found - late - short - dear
            if told[want] >= 0:
                _note_fitting(rows[:found], verdicts, fitting[told[want]])


@compiled
def _keep_held(
    asked: Asked, wants: Ints, kinds: Kinds, shelf: Shelf, runs: Runs, held: Held, counts: Ints
) -> None:
    verdicts = np.empty(runs.slots.size, dtype=np.int64)
    for want in wants:
        rows = held.row[held.first[want] : held.first[want + 1]]
        judge(asked, want, kinds, shelf, runs, rows, verdicts)
        for index in range(rows.size):
            if verdicts[index] == DEAR:
                counts[want, DEAR] -= 1
                counts[want, WITHIN] += 1


@compiled
def _note_fitting(rows: Ints, verdicts: Ints, fitting: Bytes) -> None:
    for index in range(rows.size):
        if verdicts[index] == WITHIN or verdicts[index] == DEAR:
            fitting[rows[index] >> 3] |= np.uint8(128 >> (rows[index] & 7))


@compiled
def judge(
    asked: Asked, want: int, kinds: Kinds, shelf: Shelf, runs: Runs, rows: Ints, verdicts: Ints
) -> None:
    """The verdict on each of ``rows``, which meet the want's standing constraints.

    ``runs`` are those of the want's duration, or of the shortest sale where its work is divisible. Most
    offers are settled without a branch, by what is known of all their runs; the others are looked at.
    """
    first, last, low, kind_of = shelf.first, shelf.end, shelf.low, kinds.of
    slots_of, least, most, room = runs.slots, runs.least, runs.most, runs.room
    earliest, deadline = asked.earliest[want], asked.deadline[want]
    cards_of, budget_of = np.zeros(kinds.lot.size, dtype=np.int64), np.full(kinds.lot.size, NEVER)
    _need(asked, want, kinds, rows, cards_of, budget_of)
    for index in range(rows.size):
        row = rows[index]
        cards, budget = cards_of[kind_of[row]], budget_of[kind_of[row]]
        always = low[row] >= cards
        verdict = DEAR if always & (least[row] > budget) else UNSURE
        verdict = WITHIN if always & (most[row] <= budget) else verdict
        verdict = SHORT if room[row] < cards else verdict
        time = min(last[row], deadline) - max(first[row], earliest)
        verdicts[index] = LATE if time < slots_of[row] else verdict
    for index in range(rows.size):
        if verdicts[index] == UNSURE:
            row = rows[index]
            cards, budget = cards_of[kind_of[row]], budget_of[kind_of[row]]
            enough = budget if least[row] <= budget else NEVER - 1
            start, end = max(first[row], earliest), min(last[row], deadline)
            one, other = shelf.pieces[row], shelf.pieces[row + 1]
            begins, held, total = shelf.begins[one:other], shelf.cards[one:other], shelf.total[row]
            cost = cheapest_run(begins, held, total, start, end, slots_of[row], cards, NEVER, enough)
            verdicts[index] = SHORT if cost == NEVER else WITHIN if cost <= budget else DEAR


@compiled
def _need(asked: Asked, want: int, kinds: Kinds, rows: Ints, cards_of: Ints, budget_of: Ints) -> None:
    """By kind of the rows: the cards that the smallest use takes, and what one may cost."""
    kind_of, lots, base, model = kinds.of, kinds.lot, kinds.base, kinds.model
    use, rate, divisible = asked.use[want], asked.rate[want], asked.divisible[want]
    for index in range(rows.size):
        kind = kind_of[rows[index]]
        if cards_of[kind] == 0:
            cards_of[kind] = cards_needed(use, rate[model[kind]], lots[kind])
            if not divisible:
                budget_of[kind] = _budget(asked, want, rate[model[kind]], lots[kind], base[kind])


@compiled
def _budget(asked: Asked, want: int, rate: int, lot: int, base: int) -> int:
    """What a card may cost over the run at the most favourable of the fills that it may be a part of.

    The whole amount wastes a part of the last lot; the most whole lots below the amount waste nothing,
    and are allowed where the offer need not do everything alone.
    """
    amount, limit, scale, per = asked.amount[want], asked.limit[want], asked.scale[want], asked.per[want]
    whole = cards_needed(amount, rate, lot)
    budget = card_budget(amount, whole, limit, scale, per, base)
    below = amount // (rate * lot) * lot
    if below * rate >= asked.part[want]:
        budget = max(budget, card_budget(below * rate, below, limit, scale, per, base))
    return budget
