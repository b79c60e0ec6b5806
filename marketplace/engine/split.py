"""Fill a want from several offers over the same slots.

For every first slot the offers are ordered by what one unit of the amount costs there, and the
amount is filled from the cheapest upwards. An offer that is dearer than the limit is never part of
a mix, even where the mean would be within it. The first slots are then tried from the fullest and
cheapest on; each is composed for real, offer by offer, with every price that it would raise.
The order is a guide, and the number of first slots tried is bounded by ``TRIES``; what is accepted
is always quoted exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketplace.engine import single, windows
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.facts import FAR, Ints, round_up
from marketplace.engine.snapshot import MICRO
from marketplace.engine.want import Want

TRIES = 24
DEAREST = 10**12
"""Unit costs above a million base units are all the same to the order of first slots."""


def search(book: Book, want: Want, rows: Ints) -> Fill | None:
    """A full fill of ``want`` from ``rows`` if there is one, else a partial one, else ``None``."""
    fill = _Composer(book, want, rows).best() or single.search(book, want, rows)
    if fill is None and want.least < want.amount:
        fill = _Composer(book, want.with_amount(want.least), rows).best()
    return None if fill is None else book.quote(want, fill.first_slot, fill.takes)


class _Composer:
    """What each offer has and costs at each first slot: matrices of (offers, first slots)."""

    def __init__(self, book: Book, want: Want, rows: Ints) -> None:
        self._book, self._want, self._rows = book, want, rows
        alternative, facts = want.alternative, book.facts
        span = slice(alternative.earliest, alternative.deadline)
        self._yields, self._lot = facts.yields(want)[rows], facts.lot[rows]
        costs = windows.totals(book.costs(rows, span), alternative.duration)
        affordable = costs <= windows.generous_budgets(facts, want, rows)[:, None]
        free = windows.smallest(book.free[rows, span], alternative.duration)
        most = windows.needs(facts, want, rows, want.amount)[:, None]
        lot = self._lot[:, None]
        self._cards = np.where(affordable, np.minimum(free // lot * lot, most), 0)
        self._parts = np.minimum(self._cards * self._yields[:, None], want.amount)
        hourly = costs // alternative.duration * facts.base[rows][:, None] // MICRO
        unit = np.minimum(hourly * want.scale // self._yields[:, None], DEAREST)
        self._unit_costs = np.where(self._cards > 0, unit, FAR)

    def best(self) -> Fill | None:
        if not self._cards.size:
            return None
        return self._from_cheapest_offer() or self._from_best_starts()

    def _from_cheapest_offer(self) -> Fill | None:
        """If the cheapest unit of all can fill everything alone, nothing is cheaper."""
        start, offer = divmod(int(self._unit_costs.T.argmin()), self._rows.size)
        if self._parts[offer, start] < self._want.amount:
            return None
        return self._compose(start, [offer])

    def _from_best_starts(self) -> Fill | None:
        order = np.argsort(self._unit_costs, axis=0, kind="stable")
        for start in self._starts(order)[:TRIES]:
            fill = self._compose(start, order[:, start].tolist())
            if fill is not None:
                return fill
        return None

    def _starts(self, order: Ints) -> list[int]:
        """First slots with at least ``least``, the fullest first, then the cheapest, then the earliest.

        Costs are compared by the mean unit cost of the fill, weighted in parts per million.
        """
        amount = self._want.amount
        parts = np.take_along_axis(self._parts, order, axis=0)
        before = np.cumsum(parts, axis=0) - parts
        used = np.clip(amount - before, 0, parts)
        share = used * MICRO // amount
        unit_costs = np.minimum(np.take_along_axis(self._unit_costs, order, axis=0), DEAREST)
        cost = (share * unit_costs).sum(axis=0)
        filled = used.sum(axis=0)
        ranked = np.lexsort((cost, -filled))
        found: list[int] = ranked[filled[ranked] >= self._want.least].tolist()
        return found

    def _compose(self, start: int, order: list[int]) -> Fill | None:
        """The better of a mix from the cheapest unit upwards and of one offer that fills it alone.

        Offers of one product raise each other's price, so one dearer offer may cost less.
        """
        whole = [offer for offer in order if self._parts[offer, start] == self._want.amount]
        plans = [order, whole[:1]] if whole[:1] != order[:1] else [order]
        fills = [fill for plan in plans if (fill := self._affordable(start, plan)) is not None]
        return max(fills, key=lambda fill: (fill.filled, fill.gain), default=None)

    def _affordable(self, start: int, order: list[int]) -> Fill | None:
        """Take from the offers in ``order`` until the amount is filled; drop the dearest until it
        is within the limit. ``None`` if less than ``least`` is left or somebody would be hurt."""
        first_slot = self._want.alternative.earliest + start
        chosen = self._trim(self._gather(start, order))
        while chosen:
            takes = [(int(self._rows[offer]), cards) for offer, cards in chosen]
            fill = self._book.quote(self._want, first_slot, takes)
            if fill.filled < self._want.least:
                return None
            if fill.gain >= 0:
                return fill if self._book.tolerates(fill) else None
            chosen.pop()
        return None

    def _gather(self, start: int, order: list[int]) -> list[Take]:
        """Offers (by index) and cards from the cheapest on, leaving out those that hurt somebody."""
        chosen: list[Take] = []
        left = self._want.amount
        for offer in order:
            available = int(self._cards[offer, start])
            if left <= 0 or not available:
                break
            wanted = round_up(-(-left // int(self._yields[offer])), int(self._lot[offer]))
            take = (offer, min(available, wanted))
            if self._harmless([*chosen, take], start):
                chosen.append(take)
                left -= take[1] * int(self._yields[offer])
        return chosen

    def _harmless(self, chosen: list[Take], start: int) -> bool:
        first_slot = self._want.alternative.earliest + start
        takes = ((int(self._rows[offer]), cards) for offer, cards in chosen)
        return self._book.tolerates_takes(list(takes), first_slot, self._want.alternative.duration)

    def _trim(self, chosen: list[Take]) -> list[Take]:
        """Give back whole lots, the dearest first, that the amount does not need."""
        yields = {offer: int(self._yields[offer]) for offer, _ in chosen}
        surplus = sum(cards * yields[offer] for offer, cards in chosen) - self._want.amount
        return list(self._without(surplus, yields, reversed(chosen)))[::-1]

    def _without(self, surplus: int, yields: dict[int, int], chosen: Iterator[Take]) -> Iterator[Take]:
        for offer, cards in chosen:
            lot = int(self._lot[offer])
            spare = min(max(surplus, 0) // (lot * yields[offer]) * lot, cards)
            surplus -= spare * yields[offer]
            if cards > spare:
                yield offer, cards - spare
