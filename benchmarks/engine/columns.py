"""Placement columns: every way in which a request could use one offer from one first slot.

A gang that is all or nothing has a column for each offer and first slot, taken or not. Any other want has
one for each offer and first slot that counts *lots*; ``share`` is what a lot fills of the amount. A lot
that covers the amount by itself fills it and no more: nobody is sold a second one.

Left out are columns that no best placement uses: gangs that lose money at the asks, and lots that lose
more than the rest of the amount could gain at the cheapest unit of that first slot. So the best placement
of columns is the best placement of all, and a bound on the one is a bound on the other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from benchmarks.engine.market import BASE_UNIT, Floats, Ints, Market, Mask, Want


class TooManyColumns(RuntimeError):
    """The market has more columns than the peer can take."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most:,} columns")


@dataclass(frozen=True, slots=True)
class Columns:
    """Parallel arrays, one entry a column, ordered by request. Money in units of the base currency.

    ``request`` numbers the requests and ``want`` the wants, as they come; ``offer`` is a column of
    ``Market``. ``cards`` are the cards of the gang or of one lot, ``share`` what they fill of the amount
    (1 for a gang), ``cost`` their cost at the asks and ``gain`` their worth less that. ``most`` is how many
    lots can be taken. ``whole`` says that it is a gang's.
    """

    wants: tuple[Want, ...]
    request: Ints
    want: Ints
    offer: Ints
    start: Ints
    duration: Ints
    cards: Ints
    most: Ints
    share: Floats
    gain: Floats
    cost: Floats
    whole: Mask

    def __len__(self) -> int:
        return int(self.request.size)

    @property
    def requests(self) -> int:
        return int(self.request.max(initial=-1)) + 1

    def subset(self, kept: Ints) -> Columns:
        """The columns at these positions, which ascend."""
        arrays = {
            field.name: getattr(self, field.name)[kept] for field in fields(self) if field.name != "wants"
        }
        return Columns(wants=self.wants, **arrays)


@dataclass(frozen=True, slots=True)
class _Part:
    """The columns of one want."""

    offer: Ints
    start: Ints
    cards: Ints
    most: Ints
    share: Floats
    gain: Floats
    cost: Floats

    @classmethod
    def nothing(cls) -> Self:
        none, nought = np.empty(0, dtype=np.int64), np.empty(0)
        return cls(none, none, none, none, nought, nought, nought)


def columns(market: Market, most: int) -> Columns:
    """All columns; raises ``TooManyColumns`` as soon as there are more than ``most``."""
    wanted = [
        (number, want) for number, request in enumerate(market.requests) for want in market.wants(request)
    ]
    parts, count = [], 0
    for _, want in wanted:
        parts.append(_part(market, want))
        count += parts[-1].offer.size
        if count > most:
            raise TooManyColumns(most)
    numbers = np.repeat(np.arange(len(wanted)), [part.offer.size for part in parts])
    return Columns(
        wants=tuple(want for _, want in wanted),
        request=np.array([number for number, _ in wanted])[numbers],
        want=numbers,
        duration=np.array([want.alternative.duration for _, want in wanted])[numbers],
        whole=np.array([want.whole for _, want in wanted])[numbers],
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(_Part)
        },
    )


def _part(market: Market, want: Want) -> _Part:
    offers = market.eligible(want)
    if not offers.size:
        return _Part.nothing()
    rates, lots = market.yields(want)[offers], market.lot[offers]
    needed = -(-want.amount // (rates * lots))
    cards = needed * lots if want.whole else lots
    filled = np.minimum(cards * rates, want.amount)
    free, costs = _runs(market, want, offers)
    most = np.minimum(free // cards, 1 if want.whole else needed)
    cost = cards * costs / BASE_UNIT
    worth = filled * want.unit_worth / BASE_UNIT
    gain, share = worth - cost, filled / want.amount
    useful = gain > 0
    if not want.whole:
        best = np.where(most > 0, gain / share, -np.inf).max(axis=1, keepdims=True)
        useful |= gain + (1 - share) * best > 0
    start, offer = np.nonzero((most > 0) & useful)
    return _Part(
        offer=offers[offer],
        start=want.alternative.earliest + start,
        cards=cards[offer],
        most=most[start, offer],
        share=share[offer],
        gain=gain[start, offer],
        cost=cost[start, offer],
    )


def _runs(market: Market, want: Want, offers: Ints) -> tuple[Ints, Floats]:
    """Cards free and a card's cost in pico over every run, by (first slot, offer)."""
    one = want.alternative
    free = _smallest(market.free[one.earliest : one.deadline, offers], one.duration)
    totals = market.costs[one.earliest : one.deadline + 1, offers]
    costs = totals[one.duration :] - totals[: -one.duration]
    return free, costs.astype(np.float64)


def _smallest(matrix: Ints, duration: int) -> Ints:
    """The smallest entry of every run of rows, by doubling."""
    found, width = matrix, 1
    while width < duration:
        step = min(width, duration - width)
        found = np.minimum(found[:-step], found[step:])
        width += step
    return found
