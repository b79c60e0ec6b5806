"""What each request can gain at most at the shadow prices; the formulas of ``docs/engine.md``."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from marketplace.engine.snapshot import MICRO, Alternative, Request, Snapshot
from marketplace.engine.verification.columns import FAR, Ints, profile
from marketplace.engine.verification.market import (
    Market,
    all_or_nothing,
    divided_up,
    goal,
    least,
    scale,
    whole_gangs,
    worth_of,
)
from marketplace.engine.verification.shadows import Groups, Runs, Serving

GRAIN = 1024
"""Cards are counted in 1/1024 where a part of one is meant."""

Asked = list[tuple[Request, Alternative]]


def gains(market: Market, groups: Groups) -> dict[int, int]:
    """The most that each request can gain, by its best alternative; micro-units of the base currency."""
    found: dict[int, int] = defaultdict(int)
    for run, profiles in _by_run_and_profile(market.snapshot).items():
        runs = Runs(groups, run)
        for asked in profiles.values():
            serving = groups.serving(asked[0][1])
            for request, alternative in asked:
                worth = _worth(market, request, alternative)
                gain = _gain(request, alternative, worth, serving, runs)
                found[request.id] = max(found[request.id], gain)
    return found


def _by_run_and_profile(snapshot: Snapshot) -> dict[int, dict[tuple[object, ...], Asked]]:
    """Alternatives with equal runs and standing requirements together, to be asked once."""
    found: dict[int, dict[tuple[object, ...], Asked]] = defaultdict(lambda: defaultdict(list))
    for request in snapshot.requests:
        for alternative in request.alternatives:
            key = (alternative.divisible, *profile(alternative))
            found[_run(alternative)][key].append((request, alternative))
    return found


def _run(alternative: Alternative) -> int:
    """How many slots are judged together: divisible work is judged hour by hour."""
    return 1 if alternative.divisible else alternative.duration


def _worth(market: Market, request: Request, alternative: Alternative) -> int:
    """All that an alternative is worth, so that a share of it is worth no more than that share.

    Validation keeps it within ``MAX_WORTH``. Where a share may be filled it is not rounded down first.
    """
    base = market.base[request.currency]
    if all_or_nothing(request, alternative):
        return divided_up(worth_of(alternative, goal(alternative)) * base, MICRO)
    pico = alternative.limit * alternative.amount * alternative.duration * base
    return divided_up(pico, scale(alternative) * MICRO)


def _gain(request: Request, alternative: Alternative, worth: int, serving: Serving, runs: Runs) -> int:
    """The most that an alternative can gain; 0 if nothing serves it at a gain."""
    first, last = alternative.earliest, alternative.deadline - _run(alternative)
    if last < first:
        return 0
    if whole_gangs(request, alternative):
        cards, group = _cards_of_gangs(alternative, serving)
    elif alternative.divisible:
        cards, group = _card_hours(alternative, serving), serving.group
    else:
        alone = serving.lot * serving.rate >= alternative.amount
        cards, group = GRAIN * serving.lot[alone], serving.group[alone]
        mixed = _Mix(request, alternative, worth, serving).gain(runs, first, last)
        return max(mixed, _best(worth, cards, runs.cheapest(first, last, group)))
    return _best(worth, cards, runs.cheapest(first, last, group))


def _best(worth: int, cards: Ints, cost: Ints) -> int:
    """What is left of ``worth`` if so many cards, in 1/1024, are paid where that is least.

    ``cards * cost`` is formed only where it is below ``GRAIN * worth``, so below 2**62.
    """
    gaining = cost <= (GRAIN * worth - 1) // cards
    if not gaining.any():
        return 0
    return worth - int((cards[gaining] * cost[gaining] // GRAIN).min())


def _cards_of_gangs(alternative: Alternative, serving: Serving) -> tuple[Ints, Ints]:
    """Cards, in 1/1024, of all gangs by kind of offer, where one of them fits; and the groups.

    A gang has at most the group's peak of cards, below 2**20, and there are fewer than 2**20 of them.
    """
    part = divided_up(alternative.amount, alternative.gangs)
    gang = _up(_up(part, serving.rate), serving.lot) * serving.lot
    fits = gang <= serving.peak
    return GRAIN * alternative.gangs * gang[fits], serving.group[fits]


def _card_hours(alternative: Alternative, serving: Serving) -> Ints:
    """Card-hours, in 1/1024, that all the work needs on each kind of offer, at least a lot for an hour.

    An amount is at most 10**12, for at most 8,784 hours: 1,024 times that is below 2**63.
    """
    return np.maximum(GRAIN * goal(alternative) // serving.rate, GRAIN * serving.lot)


class _Mix:
    """An amount from several groups over the same slots, the cheapest units first.

    The cost of a unit is in 2**-bits. It is formed only for cards that cost less than all is worth, so
    below 2**62; no more than the amount is multiplied with a cost at which that is worth it.
    """

    def __init__(self, request: Request, alternative: Alternative, worth: int, serving: Serving) -> None:
        parts = serving.smallest & (serving.lot * serving.rate < alternative.amount)
        self._parts, self._serving, self._worth = parts, serving, worth
        self._group, self._rate = serving.group[parts], serving.rate[parts]
        self._amount, self._least = alternative.amount, least(request, alternative)
        self._bits = min(20, 62 - (worth - 1).bit_length())
        self._dearest = (worth << self._bits) // alternative.amount

    def gain(self, runs: Runs, first: int, last: int) -> int:
        """The most over first slots from ``first`` to ``last``."""
        if not self._group.size:
            return 0
        units = self._units(runs.cheapest(first, last, self._group))
        part = int(units.argmin())
        if units[part] > self._dearest:
            return 0
        room = self._room()
        if room[part] == self._amount:
            return self._worth - (int(units[part]) * self._amount >> self._bits)
        units = self._units(runs.costs[first : last + 1, self._group])
        return self._most(units[(units <= self._dearest).any(axis=1)], room)

    def _units(self, costs: Ints) -> Ints:
        """The cost of a unit on each part, ``FAR`` where one card costs all that the amount is worth."""
        below = np.minimum(costs, self._worth) << self._bits
        return np.where(costs < self._worth, below // self._rate, FAR)

    def _room(self) -> Ints:
        """Units that each part may ever sell, cut to the amount."""
        cards = np.minimum(self._serving.room()[self._parts], _up(self._amount, self._rate))
        return np.asarray(np.minimum(cards * self._rate, self._amount), dtype=np.int64)

    def _most(self, units: Ints, room: Ints) -> int:
        """Take what gains, and what must be taken, from the cheapest unit on: at each first slot."""
        order = np.argsort(units, axis=1, kind="stable")
        units, room = np.take_along_axis(units, order, axis=1), room[order]
        wanted = np.where(units <= self._dearest, self._amount, self._least)
        before = np.cumsum(room, axis=1) - room
        taken = np.where(units < FAR, np.clip(wanted - before, 0, room), 0)
        filled = taken.sum(axis=1)
        # What must be taken may cost anything. Floating point says only where that is far too much.
        sound = (filled >= self._least) & ((units * taken.astype(np.float64)).sum(axis=1) < 1.5 * 2**62)
        paid = (units[sound] * taken[sound]).sum(axis=1)
        return max(map(self._left, filled[sound].tolist(), paid.tolist()), default=0)

    def _left(self, filled: int, paid: int) -> int:
        """What so many units are worth, less what is paid for them in 2**-bits; rounded up once."""
        grid = self._amount << self._bits
        return divided_up((self._worth * filled << self._bits) - paid * self._amount, grid)


def _up(dividend: int | Ints, divisor: Ints) -> Ints:
    return -(-dividend // divisor)
