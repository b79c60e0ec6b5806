"""The offers by shadow price: what serves an alternative, and what a run of a card costs.

``Groups`` is the partition of the offers that a bound comes with.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine.result import Shadow
from marketplace.engine.snapshot import Alternative
from marketplace.engine.verification.columns import FAR, Columns, Ints, Mask
from marketplace.engine.verification.market import Market


class Groups:
    """``prices`` and ``until`` have one row a slot and one column a group; ``rows`` are its offers.

    ``until[s]`` is the latest slot before which some offer of the group has a card free in every slot
    from ``s`` on, 0 if in none; ``peak`` is the most cards that any has free in any slot.
    """

    def __init__(self, market: Market, shadows: tuple[Shadow, ...]) -> None:
        columns = market.columns
        self._columns = columns
        self.rows = [np.array([columns.row[offer] for offer in shadow.offers]) for shadow in shadows]
        table = np.array([shadow.prices for shadow in shadows], dtype=np.int64)
        self.prices: Ints = table.reshape(len(shadows), market.snapshot.slots).T.copy()
        self.until: Ints = np.zeros_like(self.prices)
        self.peak: Ints = np.zeros(len(shadows), dtype=np.int64)
        ends = _ends(columns.free)
        for group, rows in enumerate(self.rows):
            self.until[:, group] = ends[rows].max(axis=0)
            self.peak[group] = columns.free[rows].max()
        self._kinds = _Kinds(columns, self.rows)

    def serving(self, wanted: Alternative) -> Serving:
        """The offers that meet every standing requirement, may be had for so short a time, and ever have a
        lot free."""
        able = self._columns.meeting(wanted) & (self._kinds.sold > 0)
        if not wanted.divisible:
            able &= self._columns.minimum <= wanted.duration
        return Serving(wanted, able, self._columns, self._kinds, self.peak)


class _Kinds:
    """Offers of one group and lot are of one kind: they differ in nothing but the cards they have.

    ``group`` and ``sold`` have one entry an offer: its group, and the most cards that it may ever sell.
    """

    def __init__(self, columns: Columns, rows: list[Ints]) -> None:
        self.group: Ints = np.zeros(columns.lot.size, dtype=np.int64)
        for group, own in enumerate(rows):
            self.group[own] = group
        self.sold: Ints = columns.free.max(axis=1) // columns.lot * columns.lot
        key = self.group * (columns.lot.max(initial=0) + 1) + columns.lot
        _, self._example, self._kind = np.unique(key, return_index=True, return_inverse=True)

    def examples(self, able: Mask) -> Ints:
        """One offer for each kind that some of the ``able`` offers are of, by group and lot."""
        present = np.zeros(self._example.size, dtype=np.bool_)
        present[self._kind.take(np.flatnonzero(able))] = True
        return np.asarray(self._example[present], dtype=np.int64)


class Serving:
    """What may serve an alternative. Parallel arrays over kinds of offers, by group and lot.

    ``group`` and ``lot`` of each kind, the ``rate`` of a card, the ``peak`` of the group, and whether it
    has the ``smallest`` lot of its group: that is one kind a group.
    """

    def __init__(self, wanted: Alternative, able: Mask, columns: Columns, kinds: _Kinds, peak: Ints) -> None:
        rows = kinds.examples(able)
        self._able, self._kinds = able, kinds
        self.group = kinds.group[rows]
        self.lot = columns.lot[rows]
        self.rate = columns.rates(wanted, rows)
        self.peak = peak[self.group]
        self.smallest: Mask = np.ones(rows.size, dtype=np.bool_)
        self.smallest[1:] = self.group[1:] != self.group[:-1]
        self._room: Ints | None = None

    def room(self) -> Ints:
        """The cards that all offers of the group that serve may ever sell, for each kind."""
        if self._room is None:
            rows = np.flatnonzero(self._able)
            by_group: Ints = np.zeros(self._kinds.group.max(initial=0) + 1, dtype=np.int64)
            np.add.at(by_group, self._kinds.group[rows], self._kinds.sold[rows])
            self._room = by_group[self.group]
        return self._room


class Runs:
    """What a run of a card costs in each group, from any first slot on, and the cheapest of a stretch.

    ``costs`` has one row a first slot and one column a group; a group without a card for the whole run
    costs ``FAR``. Rows of ``_tables[k]`` are the least of 2**k neighbouring first slots; the least of any
    stretch is that of two rows that overlap.
    """

    def __init__(self, groups: Groups, run: int) -> None:
        running: Ints = np.zeros((groups.prices.shape[0] + 1, groups.prices.shape[1]), dtype=np.int64)
        np.cumsum(groups.prices, axis=0, out=running[1:])
        costs = running[run:] - running[:-run]
        ends = np.arange(run, run + len(costs))[:, None]
        self.costs: Ints = np.where(groups.until[: len(costs)] >= ends, costs, FAR)
        self._tables = [self.costs]

    def cheapest(self, first: int, last: int, group: Ints) -> Ints:
        """For each of ``group``, over the first slots from ``first`` to ``last``, both included."""
        power = (last - first + 1).bit_length() - 1
        while len(self._tables) <= power:
            half, step = self._tables[-1], 1 << (len(self._tables) - 1)
            self._tables.append(np.minimum(half[:-step], half[step:]))
        table = self._tables[power]
        left, right = table[first].take(group), table[last + 1 - (1 << power)].take(group)
        return np.asarray(np.minimum(left, right), dtype=np.int64)


def _ends(free: Ints) -> Ints:
    """Until when, from each slot on, an offer has a card free without a pause; 0 where it has none."""
    ends: Ints = np.zeros_like(free)
    following: Ints = np.zeros(free.shape[0], dtype=np.int64)
    for slot in reversed(range(free.shape[1])):
        following = np.where(free[:, slot] > 0, np.maximum(following, slot + 1), 0)
        ends[:, slot] = following
    return ends
