"""What a want gets: cards of offers over one run, and what that is worth to the last pico."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.engine.market import Ints, Market, Want
from marketplace.engine import Placement, Snapshot

Take = tuple[int, int]
"""The place of an offer in the snapshot, and a number of its cards."""


@dataclass(frozen=True, slots=True)
class Fill:
    """``gain`` is worth less cost at the asks, in pico."""

    want: Want
    first_slot: int
    takes: tuple[Take, ...]
    filled: int
    gain: int

    @property
    def allowed(self) -> bool:
        """Enough of the amount, and within the limit at the asks."""
        return self.filled >= self.want.least and self.gain >= 0


def placements(snapshot: Snapshot, fills: Iterable[Fill]) -> list[Placement]:
    return [
        Placement(
            request=each.want.request,
            alternative=each.want.alternative.position,
            offer=snapshot.offers[column].id,
            first_slot=each.first_slot,
            slots=each.want.alternative.duration,
            cards=cards,
        )
        for each in fills
        for column, cards in each.takes
    ]


def fill(market: Market, want: Want, first_slot: int, takes: Iterable[Take]) -> Fill:
    """The exact fill of ``takes``, the dearest last, without lots that the amount does not need."""
    rates = market.yields(want)
    together: dict[int, int] = {}
    for column, cards in takes:
        together[column] = together.get(column, 0) + cards
    kept = _without_idle_lots(list(together.items()), want.amount, rates, market.lot)
    filled = min(sum(int(rates[column]) * cards for column, cards in kept), want.amount)
    end = first_slot + want.alternative.duration
    cost = sum(
        int(market.costs[end, column] - market.costs[first_slot, column]) * cards for column, cards in kept
    )
    return Fill(want, first_slot, tuple(kept), filled, want.worth(filled) - cost)


def _without_idle_lots(takes: list[Take], amount: int, rates: Ints, lots: Ints) -> list[Take]:
    """Gives back whole lots that the amount does not need, from the last take to the first."""
    idle = sum(int(rates[column]) * cards for column, cards in takes) - amount
    kept = []
    for column, cards in reversed(takes):
        rate, lot = int(rates[column]), int(lots[column])
        spare = min(max(idle, 0) // (lot * rate) * lot, cards)
        idle -= spare * rate
        if cards > spare:
            kept.append((column, cards - spare))
    return kept[::-1]
