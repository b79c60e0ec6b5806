"""The clearing problem on placement columns as a linear or an integer programme, for any solver.

The integer programme is ours without uniform prices: it may take any placement that is within everybody's
limit at the asks. Its optimum is the best placement (see ``columns`` for what is left out), so what a
solver proves about it is a bound on every peer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.engine.columns import Columns
from benchmarks.engine.fills import Fill, fill
from benchmarks.engine.market import Floats, Ints, Market, Mask


@dataclass(frozen=True, slots=True)
class Triplets:
    """Entries of a sparse matrix."""

    row: Ints
    column: Ints
    value: Floats

    def __add__(self, other: Triplets) -> Triplets:
        return Triplets(
            row=np.concatenate([self.row, other.row]),
            column=np.concatenate([self.column, other.column]),
            value=np.concatenate([self.value, other.value]),
        )


@dataclass(frozen=True, slots=True)
class Program:
    """Maximise ``gain`` under ``entries`` ≤ ``limits``; variables between 0 and ``upper``."""

    gain: Floats
    upper: Floats
    integral: Mask
    entries: Triplets
    limits: Floats


def relaxation(market: Market, columns: Columns) -> Program:
    """Columns in part. Rows: the requests, then the free cards by slot and offer."""
    capacity, limits = _capacity(market, columns, columns.requests)
    everyone = np.arange(len(columns))
    return Program(
        gain=columns.gain,
        upper=np.full(len(columns), np.inf),
        integral=np.zeros(len(columns), dtype=np.bool_),
        entries=Triplets(columns.request, everyone, columns.share) + capacity,
        limits=np.concatenate([np.ones(columns.requests), limits]),
    )


def relaxed_prices(market: Market, columns: Columns, duals: Floats) -> Floats:
    """Prices by slot and offer: the duals of the free cards in ``relaxation``."""
    return np.abs(duals[columns.requests :]).reshape(market.free.shape)


class IntegerProgram:
    """Variables: the columns, then for every want and first slot with lots a choice and a filled share.

    Lots cost their asks; the filled share earns the worth.
    """

    def __init__(self, market: Market, columns: Columns) -> None:
        self._market, self._columns = market, columns
        self._lots = np.flatnonzero(~columns.whole)
        names = columns.want[self._lots] * market.slots + columns.start[self._lots]
        _, first, self._group = np.unique(names, return_index=True, return_inverse=True)
        self._first = self._lots[first]
        self.program = self._program()

    def _program(self) -> Program:
        columns, first = self._columns, self._first
        count, ones = first.size, np.ones(first.size)
        worth = (columns.gain[first] + columns.cost[first]) / columns.share[first]
        rows, bounds = self._choices()
        capacity, limits = _capacity(self._market, columns, bounds.size)
        return Program(
            gain=np.concatenate([np.where(columns.whole, columns.gain, -columns.cost), 0 * ones, worth]),
            upper=np.concatenate([columns.most, ones, ones]),
            integral=np.arange(len(columns) + 2 * count) < len(columns) + count,
            entries=rows + capacity,
            limits=np.concatenate([bounds, limits]),
        )

    def _choices(self) -> tuple[Triplets, Floats]:
        """A request takes one gang's column or one group. The share that a group fills is at most what
        its lots fill; if chosen it is at least ``least`` and at most 1, else 0.
        """
        columns, lots, first = self._columns, self._lots, self._first
        requests, count = columns.requests, first.size
        whole, groups, ones = np.flatnonzero(columns.whole), np.arange(count), np.ones(count)
        choice, filled = len(columns) + groups, len(columns) + count + groups
        least = np.array([want.least / want.amount for want in columns.wants])[columns.want[first]]
        by_lots, by_choice, least_row = (requests + part * count + groups for part in range(3))
        rows = (
            Triplets(columns.request[whole], whole, np.ones(whole.size))
            + Triplets(columns.request[first], choice, ones)
            + Triplets(by_lots, filled, ones)
            + Triplets(by_lots[self._group], lots, -columns.share[lots])
            + Triplets(by_choice, filled, ones)
            + Triplets(by_choice, choice, -ones)
            + Triplets(least_row, filled, -ones)
            + Triplets(least_row, choice, least)
        )
        return rows, np.concatenate([np.ones(requests), np.zeros(3 * count)])

    def values(self, fills: Iterable[Fill]) -> Floats:
        """The variables that say what the fills say, but for fills that no column stands for."""
        columns = self._columns
        names = zip(columns.want.tolist(), columns.start.tolist(), columns.offer.tolist(), strict=True)
        number = {name: column for column, name in enumerate(names)}
        group = dict(zip(self._lots.tolist(), self._group.tolist(), strict=True))
        wants = {want: place for place, want in enumerate(columns.wants)}
        values = np.zeros(self.program.gain.size)
        for each in fills:
            keys = [(wants[each.want], each.first_slot, offer) for offer, _ in each.takes]
            if not all(key in number for key in keys):
                continue
            for key, (_, cards) in zip(keys, each.takes, strict=True):
                values[number[key]] = cards // columns.cards[number[key]]
            if not each.want.whole:
                chosen = len(columns) + group[number[keys[0]]]
                values[chosen] = 1
                values[chosen + self._first.size] = each.filled / each.want.amount
        return values

    def fills(self, values: Floats) -> list[Fill]:
        """What a solution takes; parts of it that an unfinished solver left wrong are left out."""
        taken = np.rint(values[: len(self._columns)]).astype(np.int64)
        chosen = np.rint(values[len(self._columns) :][: self._first.size]).astype(np.int64)
        taken[self._lots] *= chosen[self._group]
        return [each for each in self._read(taken) if each.allowed]

    def _read(self, taken: Ints) -> Iterator[Fill]:
        columns = self._columns
        chosen: dict[int, list[int]] = {}
        for column in np.flatnonzero(taken > 0).tolist():
            chosen.setdefault(int(columns.want[column]), []).append(column)
        for number, own in chosen.items():
            own.sort(key=lambda column: columns.cost[column] / columns.share[column])
            takes = [(int(columns.offer[one]), int(columns.cards[one] * taken[one])) for one in own]
            yield fill(self._market, columns.wants[number], int(columns.start[own[0]]), takes)


def _capacity(market: Market, columns: Columns, first_row: int) -> tuple[Triplets, Floats]:
    """Cards used by every column in every slot of its run, and cards free, by slot and offer."""
    column = np.repeat(np.arange(len(columns)), columns.duration)
    ends = np.cumsum(columns.duration)
    within = np.arange(column.size) - np.repeat(ends - columns.duration, columns.duration)
    slot = columns.start[column] + within
    row = first_row + slot * market.free.shape[1] + columns.offer[column]
    return Triplets(row, column, columns.cards[column].astype(np.float64)), market.free.ravel().astype(float)
