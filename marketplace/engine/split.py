"""Fill a want from several offers over the same slots.

For every first slot the offers are ordered by what one unit of the amount costs there, and the
amount is filled from the cheapest upwards. An offer that is dearer than the limit is never part of
a mix, even where the mean would be within it. The first slots are then tried from the fullest and
cheapest on; each is composed for real, offer by offer, with every price that it would raise. If
that does not fill everything, one offer alone is tried at every first slot (see ``single``).
The order is a guide, and the number of first slots tried is bounded; what is accepted
is always quoted exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketplace.engine import single, windows
from marketplace.engine.book import Book, Fill, together
from marketplace.engine.facts import FAR, Ints, round_up
from marketplace.engine.snapshot import MICRO
from marketplace.engine.want import Want

TRIES = 24
"""First slots tried unless somebody asks for fewer, and offers passed over at each."""

Part = tuple[int, int]
"""An offer, by index, and a number of its cards."""

DEAREST = 10**12
"""Unit costs above a million base units are all the same to the order of first slots."""


def search(book: Book, want: Want, rows: Ints, tries: int = TRIES) -> Fill | None:
    """A full fill of ``want`` from ``rows`` if there is one, else a partial one, else ``None``."""
    fill = _Composer(book, want, rows).best(tries)
    if fill is None or fill.filled < want.amount:
        fill = _better(fill, single.search(book, want, rows))
    if fill is None and want.least < want.amount:
        fill = _Composer(book, want.with_amount(want.least), rows).best(tries)
    return None if fill is None else book.quote(want, fill.takes)


def _better(*fills: Fill | None) -> Fill | None:
    """The fuller, then the cheaper; the first of equals."""
    found = (fill for fill in fills if fill is not None)
    return max(found, key=lambda fill: (fill.filled, fill.gain), default=None)


class _Composer:
    """What each offer has and costs at each first slot: matrices of (offers, first slots)."""

    def __init__(self, book: Book, want: Want, rows: Ints) -> None:
        self._book, self._want, self._rows = book, want, rows
        alternative, facts = want.alternative, book.facts
        span = slice(alternative.earliest, alternative.deadline)
        self._yields, self._lot = facts.yields(want)[rows], facts.lot[rows]
        costs = windows.totals(book.costs(rows, span), alternative.duration)
        affordable = costs <= windows.generous_budgets(facts, want, rows)[:, None]
        sellable = facts.sellable(book.free[rows, span], want, rows, span)
        free = windows.smallest(sellable, alternative.duration)
        most = windows.needs(facts, want, rows, want.amount)[:, None]
        lot = self._lot[:, None]
        self._cards = np.where(affordable, np.minimum(free // lot * lot, most), 0)
        self._parts = np.minimum(self._cards * self._yields[:, None], want.amount)
        hourly = costs // alternative.duration * facts.base[rows][:, None] // MICRO
        unit = np.minimum(hourly * want.scale // self._yields[:, None], DEAREST)
        self._unit_costs = np.where(self._cards > 0, unit, FAR)

    def best(self, tries: int) -> Fill | None:
        if not self._cards.size:
            return None
        return self._from_cheapest_offer() or self._from_best_starts(tries)

    def _from_cheapest_offer(self) -> Fill | None:
        """If the cheapest unit of all can fill everything alone, nothing is cheaper."""
        start, offer = divmod(int(self._unit_costs.T.argmin()), self._rows.size)
        if self._parts[offer, start] < self._want.amount:
            return None
        return self._compose(start, [offer])

    def _from_best_starts(self, tries: int) -> Fill | None:
        order = np.argsort(self._unit_costs, axis=0, kind="stable")
        for start in self._starts(order)[:tries]:
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

        Offers of one product raise each other's price: one dearer offer may cost less than several
        cheaper ones, and another product may cost less than the next offer of the same one.
        """
        whole = [offer for offer in order if self._parts[offer, start] == self._want.amount][:1]
        mixed = self._affordable(start, order, frugal=False)
        alone = None if whole == order[:1] else self._affordable(start, whole, frugal=False)
        return _better(mixed, alone) or self._affordable(start, order, frugal=True)

    def _affordable(self, start: int, order: list[int], *, frugal: bool) -> Fill | None:
        """Take from the offers in ``order`` until the amount is filled. ``None`` if that is less
        than ``least`` or over the limit. Lots given back only lower prices, so nobody is hurt."""
        fill = self._quote(start, self._trim(self._gather(start, order, frugal=frugal)))
        return fill if fill.filled >= self._want.least and fill.gain >= 0 else None

    def _quote(self, start: int, chosen: list[Part]) -> Fill:
        parts = ((int(self._rows[offer]), cards) for offer, cards in chosen)
        alternative = self._want.alternative
        takes = together(alternative.earliest + start, alternative.duration, parts)
        return self._book.quote(self._want, takes)

    def _gather(self, start: int, order: list[int], *, frugal: bool) -> list[Part]:
        """Offers (by index) and cards from the cheapest on, leaving out those that hurt somebody;
        if ``frugal``, also those with which the fill would leave the limit."""
        chosen: list[Part] = []
        left, passed_over = self._want.amount, 0
        for offer in order:
            available = int(self._cards[offer, start])
            if left <= 0 or not available or passed_over > TRIES:
                break
            wanted = round_up(-(-left // int(self._yields[offer])), int(self._lot[offer]))
            take = (offer, min(available, wanted))
            fill = self._quote(start, [*chosen, take])
            if self._book.tolerates(fill) and (fill.gain >= 0 or not frugal):
                chosen.append(take)
                left -= take[1] * int(self._yields[offer])
            else:
                passed_over += 1
        return chosen

    def _trim(self, chosen: list[Part]) -> list[Part]:
        """Give back whole lots, the dearest first, that the amount does not need."""
        yields = {offer: int(self._yields[offer]) for offer, _ in chosen}
        surplus = sum(cards * yields[offer] for offer, cards in chosen) - self._want.amount
        return list(self._without(surplus, yields, reversed(chosen)))[::-1]

    def _without(self, surplus: int, yields: dict[int, int], chosen: Iterator[Part]) -> Iterator[Part]:
        for offer, cards in chosen:
            lot = int(self._lot[offer])
            spare = min(max(surplus, 0) // (lot * yields[offer]) * lot, cards)
            surplus -= spare * yields[offer]
            if cards > spare:
                yield offer, cards - spare
