"""Who already holds cards of a product, when, and how much more they can bear to pay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketplace.engine.facts import FAR, Ints, Mask


class Account:
    """One accepted buyer: ``slack`` is what its limit leaves beyond what it pays, in pico.

    A buyer in a single product is tracked by its headroom there; ``slack`` is kept up to date only
    for a buyer in several, whose rises add up.
    """

    def __init__(self, request: int, slack: int) -> None:
        self.request = request
        self.slack = slack
        self._holdings: list[tuple[Holders, int, int]] = []

    def add(self, holders: Holders, first_slot: int, duration: int, weight: int) -> None:
        """Hold a product; ``weight`` is cards times ``base_micro``: pico per micro-unit of rise."""
        index = holders.append(self, first_slot, duration, weight, self.slack // weight)
        self._holdings.append((holders, index, weight))
        if len(self._holdings) > 1:
            for each, position, _ in self._holdings:
                each.share(position)

    def spend(self, pico: int) -> None:
        """Charge a rise to a buyer in several products and lower its headroom in all of them."""
        self.slack -= pico
        for holders, index, weight in self._holdings:
            holders.set_headroom(index, self.slack // weight)


class Holders:
    """The buyers of one product as columns that grow.

    A buyer holds each product over one run, from ``first`` to before ``end``. Headroom is in
    micro-units of the product's currency for one card over the whole run.
    """

    def __init__(self) -> None:
        self._accounts: list[Account] = []
        self._weights: list[int] = []
        self._joint: dict[int, None] = {}
        self._columns: Ints = np.zeros((3, 16), dtype=np.int64)

    @property
    def _first(self) -> Ints:
        return self._columns[0, : len(self._accounts)]

    @property
    def _end(self) -> Ints:
        return self._columns[1, : len(self._accounts)]

    @property
    def _headroom(self) -> Ints:
        return self._columns[2, : len(self._accounts)]

    def append(self, account: Account, first: int, duration: int, weight: int, headroom: int) -> int:
        index = len(self._accounts)
        if index == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self._columns[:, index] = first, first + duration, min(headroom, FAR)
        self._accounts.append(account)
        self._weights.append(weight)
        return index

    def share(self, index: int) -> None:
        """Mark a holding as one of several of its buyer."""
        self._joint[index] = None

    def set_headroom(self, index: int, headroom: int) -> None:
        self._columns[2, index] = min(headroom, FAR)

    def borne(self, rise: Ints, first_slot: int) -> Ints:
        """What ``rise``, which starts at ``first_slot``, costs one card of each holder."""
        running = np.concatenate([[0], np.cumsum(rise)])
        begin = np.clip(self._first - first_slot, 0, rise.size)
        finish = np.clip(self._end - first_slot, 0, rise.size)
        borne: Ints = running[finish] - running[begin]
        return borne

    def exceeded(self, borne: Ints) -> bool:
        return bool((borne > self._headroom).any())

    def joint(self, borne: Ints) -> Iterator[tuple[Account, int]]:
        """The buyers in several products that bear anything, with what they bear in pico."""
        for index in self._joint:
            if borne[index]:
                yield self._accounts[index], int(borne[index]) * self._weights[index]

    def charge(self, rise: Ints, first_slot: int) -> None:
        borne = self.borne(rise, first_slot)
        self._headroom[:] -= borne
        for account, pico in self.joint(borne):
            account.spend(pico)

    def bearable_starts(self, rise: Ints, first_slot: int, duration: int) -> Mask:
        """From which starts the part of ``rise`` inside a run of ``duration`` exceeds no headroom."""
        running = np.concatenate([[0], np.cumsum(rise)])
        starts = np.arange(rise.size - duration + 1)
        begin = np.clip(self._first[:, None] - first_slot, starts, starts + duration)
        finish = np.clip(self._end[:, None] - first_slot, starts, starts + duration)
        bearable: Mask = (running[finish] - running[begin] <= self._headroom[:, None]).all(axis=0)
        return bearable
