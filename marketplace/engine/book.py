"""The state of a run: cards left, prices so far, and what every accepted buyer can still bear.

A price is the highest accepted ask of its product and slot, so it only ever rises. Each rise costs
everybody who already holds that product in that slot. What it costs is charged to the accounts that pay
for it, the buyer's own and those of its budgets; the book refuses a fill whose rises, or whose own payment,
leave an account less than nothing. That keeps the promise made to each accepted buyer, and to each budget,
true until the end of the run, by induction over acceptances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marketplace.engine.facts import Facts, Ints, Mask, round_up
from marketplace.engine.holders import Account, Holders
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.want import Want, bases


class Take(NamedTuple):
    """Cards of one offer, a row of ``Facts``, over consecutive slots."""

    row: int
    cards: int
    first_slot: int
    slots: int

    @property
    def span(self) -> slice:
        return slice(self.first_slot, self.first_slot + self.slots)


def together(first_slot: int, slots: int, parts: Iterable[tuple[int, int]]) -> list[Take]:
    """Rows and cards that all run over the same slots."""
    return [Take(row, cards, first_slot, slots) for row, cards in parts]


Rises = dict[int, Ints]
"""For a product, by how much its price rises in each slot of the horizon (micro-units of its currency)."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A way to fill a want, quoted at the book's present state; ``paid`` and ``worth`` in pico."""

    want: Want
    takes: tuple[Take, ...]
    filled: int
    paid: int
    worth: int

    @property
    def gain(self) -> int:
        return self.worth - self.paid


class Book:
    """Free cards and prices by slot; ``free`` and ``price`` are read by the search.

    ``accounts`` are those of the budgets, and of all buyers accepted so far.
    """

    def __init__(self, snapshot: Snapshot, facts: Facts) -> None:
        self.facts = facts
        self.free: Ints = facts.free.copy()
        self.price: Ints = np.zeros((len(facts.products), facts.slots), dtype=np.int64)
        self.sold = np.zeros((len(facts.products), facts.slots), dtype=np.int64)
        self.accounts: list[Account] = []
        self._holders = [Holders() for _ in facts.products]
        self._budgets: dict[int, list[Account]] = defaultdict(list)
        worth = bases(snapshot)
        for budget in snapshot.budgets:
            account = Account(budget.amount * worth[budget.currency])
            self.accounts.append(account)
            for request in budget.requests:
                self._budgets[request].append(account)

    def costs(self, rows: Ints, span: slice) -> Ints:
        """What a card of each row costs its buyer in each slot: its ask, or the price if higher."""
        prices = self.price[self.facts.product[rows], span]
        return np.maximum(self.facts.asks[rows, span], prices)

    def quote(self, want: Want, takes: Iterable[Take]) -> Fill:
        """What ``takes`` fill and cost, prices risen as they would by accepting them."""
        takes = tuple(takes)
        rises = self._rises(takes)
        paid = 0
        for take in takes:
            product = int(self.facts.product[take.row])
            per_card = int(self.price[product, take.span].sum() + rises[product][take.span].sum())
            paid += per_card * take.cards * self.facts.product_base[product]
        filled = self._filled(want, takes)
        return Fill(want, takes, filled, paid, want.worth(filled))

    def _filled(self, want: Want, takes: Iterable[Take]) -> int:
        """What the cards do for the want; of several gangs only whole ones count, in proportion."""
        yields, gangs = self.facts.yields(want), want.alternative.gangs
        if gangs <= 1:
            hourly = want.alternative.divisible
            work = sum(int(yields[take.row]) * take.cards * (take.slots if hourly else 1) for take in takes)
            return min(work, want.whole)
        whole = 0
        for take in takes:
            step = round_up(-(-want.smallest_use // int(yields[take.row])), int(self.facts.lot[take.row]))
            whole += take.cards // step
        return want.amount * min(whole, gangs) // gangs

    def tolerates(self, fill: Fill) -> bool:
        """Whether every accepted buyer stays within its limit, and every budget, with ``fill``."""
        borne = self._borne(self._rises(fill.takes))
        if any(self._holders[product].exceeded(costs) for product, costs in borne.items()):
            return False
        return all(extra <= account.slack for account, extra in self._burdens(fill, borne).items())

    def without_budgets(self) -> Book:
        """The book in this state, but for it no budget ends: what an order pays itself is not counted."""
        book = copy(self)
        book._budgets = {}  # noqa: SLF001 - a book of this class
        return book

    def harmless(self) -> Book:
        """The book in this state, without the cards whose ask in a slot hurts some holder by itself."""
        rises = self.facts.asks - self.price[self.facts.product]
        bearable = np.array([each.least_headroom(self.facts.slots) for each in self._holders], dtype=np.int64)
        book = copy(self)
        book.free = np.where(rises <= bearable.reshape(self.price.shape)[self.facts.product], self.free, 0)
        return book

    def purse(self, request: int) -> int | None:
        """What the budgets of a request have left for it, in pico; ``None`` if it has none."""
        return min((account.slack for account in self._budgets.get(request, ())), default=None)

    def tolerated_starts(self, row: int, span: slice, duration: int) -> Mask:
        """From which first slots in ``span`` one offer alone hurts nobody who has a single holding."""
        product = int(self.facts.product[row])
        rise = self.costs(np.array([row]), span)[0] - self.price[product, span]
        return self._holders[product].bearable_starts(rise, span.start, duration)

    def accept(self, fill: Fill) -> None:
        """Sell the cards, raise the prices and charge the rises to those who hold already."""
        rises = self._rises(fill.takes)
        borne = self._borne(rises)
        for account, extra in self._burdens(fill, borne).items():
            account.slack -= extra
        for product, costs in borne.items():
            self._holders[product].charge(costs)
            self.price[product] += rises[product]
        for take in fill.takes:
            self.free[take.row, take.span] -= take.cards
            self.sold[self.facts.product[take.row], take.span] += take.cards
        self._open_account(fill)

    def _open_account(self, fill: Fill) -> None:
        own = Account(fill.worth)
        own.slack -= fill.paid
        self.accounts.append(own)
        budgets = self._budgets.get(fill.want.request, [])
        holdings: dict[tuple[int, int, int], int] = defaultdict(int)
        for take in fill.takes:
            product, span = int(self.facts.product[take.row]), take.span
            holdings[product, span.start, span.stop] += take.cards * self.facts.product_base[product]
        for account in (own, *budgets):
            account.fills.append(fill)
            joint = len(holdings) > 1 or account is not own
            for (product, first, end), weight in holdings.items():
                self._holders[product].append(account, first, end, weight, joint=joint)

    def _borne(self, rises: Rises) -> Rises:
        """For each product that becomes dearer, what that costs one card of each of its holdings."""
        return {product: self._holders[product].borne(rise) for product, rise in rises.items() if rise.any()}

    def _burdens(self, fill: Fill, borne: Rises) -> dict[Account, int]:
        """What accounts with several holdings would have to pay more, in pico."""
        burdens: dict[Account, int] = defaultdict(int)
        for account, extra in self._joint(borne):
            burdens[account] += extra
        for budget in self._budgets.get(fill.want.request, ()):
            burdens[budget] += fill.paid
        return burdens

    def _joint(self, borne: Rises) -> Iterator[tuple[Account, int]]:
        for product, costs in borne.items():
            yield from self._holders[product].joint(costs)

    def _rises(self, takes: Iterable[Take]) -> Rises:
        found: Rises = {}
        for take in takes:
            product = int(self.facts.product[take.row])
            if product not in found:
                found[product] = np.zeros(self.facts.slots, dtype=np.int64)
            rise, span = found[product], take.span
            dearer = self.facts.asks[take.row, span] - self.price[product, span]
            rise[span] = np.maximum(rise[span], dearer)
        return found
