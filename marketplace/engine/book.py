"""The state of a run: cards left, prices so far, and what every accepted buyer can still bear.

A price is the highest accepted ask of its product and slot, so it only ever rises. Each rise costs
everybody who already holds that product in that slot. A holder's *headroom* is how much more one
of its cards may cost over its whole run before it exceeds its limit; the book refuses a fill whose
rises exceed anybody's headroom. That keeps the promise made to each accepted buyer true until the
end of the run, by induction over acceptances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from marketplace.engine.facts import Facts, Ints, Mask, round_up
from marketplace.engine.holders import Account, Holders
from marketplace.engine.want import Want

Take = tuple[int, int]
"""A row of ``Facts`` and a number of its cards."""

Rises = dict[int, Ints]
"""For a product, by how much each slot's price rises (micro-units of its currency)."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A way to fill a want, quoted at the book's present state; ``paid`` and ``worth`` in pico."""

    want: Want
    first_slot: int
    slots: int
    takes: tuple[Take, ...]
    filled: int
    paid: int
    worth: int

    @property
    def gain(self) -> int:
        return self.worth - self.paid


class Book:
    """Free cards and prices by slot; ``free`` and ``price`` are read by the search."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.free: Ints = facts.free.copy()
        self.price: Ints = np.zeros((len(facts.products), facts.slots), dtype=np.int64)
        self.sold = np.zeros((len(facts.products), facts.slots), dtype=np.int64)
        self._holders = [Holders() for _ in facts.products]

    def costs(self, rows: Ints, span: slice) -> Ints:
        """What a card of each row costs its buyer in each slot: its ask, or the price if higher."""
        prices = self.price[self.facts.product[rows], span]
        return np.maximum(self.facts.asks[rows, span], prices)

    def quote(self, want: Want, first_slot: int, takes: Iterable[Take], slots: int | None = None) -> Fill:
        """What ``takes`` fill and cost, prices risen as they would by accepting them.

        They run for ``slots``, which is the duration asked for unless the work is divisible.
        """
        takes = tuple(takes)
        slots = want.alternative.duration if slots is None else slots
        span = slice(first_slot, first_slot + slots)
        rises = self._rises(takes, span)
        paid = 0
        for row, cards in takes:
            product = int(self.facts.product[row])
            per_card = int(self.price[product, span].sum() + rises[product].sum())
            paid += per_card * cards * self.facts.product_base[product]
        filled = self._filled(want, takes, slots)
        return Fill(want, first_slot, slots, takes, filled, paid, want.worth(filled))

    def _filled(self, want: Want, takes: Iterable[Take], slots: int) -> int:
        """What the cards do for the want; of several gangs only whole ones count, in proportion."""
        yields, gangs = self.facts.yields(want), want.alternative.gangs
        if gangs <= 1:
            return want.filled(sum(int(yields[row]) * cards for row, cards in takes), slots)
        whole = 0
        for row, cards in takes:
            step = round_up(-(-want.smallest_use // int(yields[row])), int(self.facts.lot[row]))
            whole += cards // step
        return want.amount * min(whole, gangs) // gangs

    def tolerates(self, fill: Fill) -> bool:
        """Whether every accepted buyer stays within its limit once ``fill`` is accepted."""
        return self.tolerates_takes(fill.takes, fill.first_slot, fill.slots)

    def tolerates_takes(self, takes: Iterable[Take], first_slot: int, duration: int) -> bool:
        rises = self._rises(takes, slice(first_slot, first_slot + duration))
        dearer = {product: rise for product, rise in rises.items() if rise.any()}
        shared: dict[int, int] = {}
        accounts: dict[int, Account] = {}
        for product, rise in dearer.items():
            holders = self._holders[product]
            borne = holders.borne(rise, first_slot)
            if holders.exceeded(borne):
                return False
            for account, extra in holders.joint(borne):
                shared[account.request] = shared.get(account.request, 0) + extra
                accounts[account.request] = account
        return all(extra <= accounts[request].slack for request, extra in shared.items())

    def tolerated_starts(self, row: int, span: slice, duration: int) -> Mask:
        """From which first slots in ``span`` one offer alone may be used without hurting anybody."""
        product = int(self.facts.product[row])
        rise = self.costs(np.array([row]), span)[0] - self.price[product, span]
        return self._holders[product].bearable_starts(rise, span.start, duration)

    def accept(self, fill: Fill) -> None:
        """Sell the cards, raise the prices and charge the rises to those who hold already."""
        duration = fill.slots
        span = slice(fill.first_slot, fill.first_slot + duration)
        for product, rise in self._rises(fill.takes, span).items():
            if rise.any():
                self._holders[product].charge(rise, fill.first_slot)
                self.price[product, span] += rise
        cards_of: dict[int, int] = {}
        for row, cards in fill.takes:
            self.free[row, span] -= cards
            product = int(self.facts.product[row])
            self.sold[product, span] += cards
            cards_of[product] = cards_of.get(product, 0) + cards
        account = Account(fill.want.request, fill.gain)
        for product, cards in cards_of.items():
            weight = cards * self.facts.product_base[product]
            account.add(self._holders[product], fill.first_slot, duration, weight)

    def _rises(self, takes: Iterable[Take], span: slice) -> Rises:
        found: Rises = {}
        for row, _ in takes:
            product = int(self.facts.product[row])
            rise = np.maximum(self.facts.asks[row, span] - self.price[product, span], 0)
            found[product] = np.maximum(found[product], rise) if product in found else rise
        return found
