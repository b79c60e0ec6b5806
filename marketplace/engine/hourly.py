"""What varies by the hour: in which slots an offer has the power that an alternative asks for.

A site has one carbon intensity and one renewable share, or one for each slot. An alternative that asks for
either is served in slots in which the offer's site has what it asks for, and in no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.engine.snapshot import Alternative, Site, Snapshot

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNKNOWN = -1
"""A fact that nobody has stated, where more is better: it reaches no bound."""

FAR = 2**63 - 1
"""A fact that nobody has stated, where less is better, or a cost that no limit reaches."""

Power = tuple[int | None, int | None]
"""A renewable share, at least, and a carbon intensity, at most."""


class Hourly:
    """``sites`` are those of the offers, by row. Nothing is kept of a market in which nothing varies."""

    def __init__(self, snapshot: Snapshot, sites: Sequence[Site]) -> None:
        self.varies = bool(snapshot.site_hours)
        self._shares, self._carbons = np.zeros((0, 0), dtype=np.int64), np.zeros((0, 0), dtype=np.int64)
        self._place = np.zeros(0, dtype=np.int64)
        if self.varies:
            self._read(snapshot, sites)

    def _read(self, snapshot: Snapshot, sites: Sequence[Site]) -> None:
        place = {site.id: number for number, site in enumerate(snapshot.sites)}
        self._shares = _flat(snapshot, [site.renewable_share for site in snapshot.sites], UNKNOWN)
        self._carbons = _flat(snapshot, [site.carbon for site in snapshot.sites], FAR)
        for hours in snapshot.site_hours:
            if hours.renewable_share:
                self._shares[place[hours.site]] = hours.renewable_share
            if hours.carbon:
                self._carbons[place[hours.site]] = hours.carbon
        self._place = np.array([place[site.id] for site in sites], dtype=np.int64)

    def asked(self, alternative: Alternative) -> Power | None:
        """What an alternative asks of each slot; ``None`` where nothing varies or it asks nothing."""
        if not self.varies or (alternative.renewable_share is None and alternative.carbon is None):
            return None
        return alternative.renewable_share, alternative.carbon

    def open(self, asked: Power, rows: Any, span: slice) -> Mask:
        """In which slots of ``span`` these offers have what is asked for."""
        share, carbon = asked
        places = self._place[rows]
        good: Mask = np.ones((places.size, self._shares[:, span].shape[1]), dtype=np.bool_)
        if share is not None:
            good &= self._shares[places, span] >= share
        if carbon is not None:
            good &= self._carbons[places, span] <= carbon
        return good

    def carbons(self) -> Ints:
        """The carbon intensity of each offer's site by slot, ``FAR`` where nobody has stated it."""
        return self._carbons[self._place]

    def best(self, first: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The highest share and the lowest carbon that each offer has in its window."""
        shares, carbons = _outside(first, end, self._shares[self._place], self._carbons[self._place])
        return shares.max(axis=1, initial=UNKNOWN), carbons.min(axis=1, initial=FAR)

    def worst(self, first: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The lowest share and the highest carbon that each offer has in its window."""
        carbons, shares = _outside(first, end, self._carbons[self._place], self._shares[self._place])
        return shares.min(axis=1, initial=FAR), carbons.max(axis=1, initial=UNKNOWN)


def _flat(snapshot: Snapshot, figures: Sequence[int | None], unknown: int) -> Ints:
    column = np.array([unknown if each is None else each for each in figures], dtype=np.int64)
    return np.repeat(column[:, None], snapshot.slots, axis=1)


def _outside(first: Ints, end: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """``low`` is ``UNKNOWN`` and ``high`` is ``FAR`` outside the window, so that neither is the extreme."""
    slots = np.arange(low.shape[1])
    inside = (slots >= first[:, None]) & (slots < end[:, None])
    return np.where(inside, low, UNKNOWN), np.where(inside, high, FAR)
