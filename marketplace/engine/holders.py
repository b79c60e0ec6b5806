"""Who already holds cards of a product, when, and how much more they can bear to pay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from marketplace.engine.facts import FAR, Ints, Mask

if TYPE_CHECKING:
    from marketplace.engine.book import Fill


class Account:
    """Who pays for what is accepted: a buyer, or a budget over several requests. In pico.

    ``limit`` is what it may pay at most for all of its ``fills``, ``slack`` what is left of that at present
    prices. The slack of an account with one holding is kept as that holding's headroom, and not here.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.slack = limit
        self.fills: list[Fill] = []


class Holders:
    """Holdings of one product as columns that grow.

    A holding is a run of cards, from ``first`` to before ``end``, that an account pays for. Headroom is by
    how much one of its cards may become dearer over the whole run, in micro-units of the product's currency.
    Where an account has several holdings only their sum counts, and there is no headroom.
    """

    def __init__(self) -> None:
        self._accounts: list[Account] = []
        self._weights: list[int] = []
        self._columns: Ints = np.zeros((4, 16), dtype=np.int64)

    @property
    def _first(self) -> Ints:
        return self._columns[0, : len(self._accounts)]

    @property
    def _end(self) -> Ints:
        return self._columns[1, : len(self._accounts)]

    @property
    def _headroom(self) -> Ints:
        return self._columns[2, : len(self._accounts)]

    @property
    def _joint(self) -> Ints:
        return self._columns[3, : len(self._accounts)]

    def append(self, account: Account, first: int, end: int, weight: int, *, joint: bool) -> None:
        """Hold a run; ``weight`` is cards times ``base_micro``: pico per micro-unit of rise.

        ``joint`` says that the account has, or may come to have, other holdings.
        """
        index = len(self._accounts)
        if index == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        headroom = FAR if joint else min(account.slack // weight, FAR)
        self._columns[:, index] = first, end, headroom, int(joint)
        self._accounts.append(account)
        self._weights.append(weight)

    def borne(self, rise: Ints) -> Ints:
        """What ``rise``, by slot of the horizon, costs one card of each holding."""
        running = np.concatenate([[0], np.cumsum(rise)])
        borne: Ints = running[self._end] - running[self._first]
        return borne

    def exceeded(self, borne: Ints) -> bool:
        return bool((borne > self._headroom).any())

    def joint(self, borne: Ints) -> Iterator[tuple[Account, int]]:
        """What accounts with several holdings bear in each of them, in pico."""
        for index in np.flatnonzero(borne * self._joint).tolist():
            yield self._accounts[index], int(borne[index]) * self._weights[index]

    def charge(self, borne: Ints) -> None:
        """Lower the headroom of those that have one."""
        self._headroom[:] -= borne * (1 - self._joint)

    def least_headroom(self, slots: int) -> Ints:
        """By slot of the horizon, by how much the holding that bears least there lets the price rise."""
        least = np.full(slots, FAR)
        columns = zip(*self._columns[:, : len(self._accounts)].tolist(), strict=True)
        for (first, end, headroom, joint), account, weight in zip(
            columns, self._accounts, self._weights, strict=True
        ):
            bears = min(account.slack // weight, FAR) if joint else headroom
            np.minimum(least[first:end], bears, out=least[first:end])
        return least

    def bearable_starts(self, rise: Ints, first_slot: int, duration: int) -> Mask:
        """From which starts the part of ``rise`` inside a run of ``duration`` exceeds no headroom.

        ``rise`` starts at ``first_slot``.
        """
        running = np.concatenate([[0], np.cumsum(rise)])
        starts = np.arange(rise.size - duration + 1)
        begin = np.clip(self._first[:, None] - first_slot, starts, starts + duration)
        finish = np.clip(self._end[:, None] - first_slot, starts, starts + duration)
        bearable: Mask = (running[finish] - running[begin] <= self._headroom[:, None]).all(axis=0)
        return bearable
