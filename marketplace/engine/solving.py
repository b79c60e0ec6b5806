"""Finding placements that hurt nobody: the bound, the search, and acceptance one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from marketplace.engine import drafting, hunt, merit
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.bounding import Bounded, bounded
from marketplace.engine.columns import NEVER
from marketplace.engine.drafting import Guide
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.groups import Groups
from marketplace.engine.leftovers import promising_rows
from marketplace.engine.market import Market
from marketplace.engine.result import Bound, Placement, Shadow
from marketplace.engine.search import find
from marketplace.engine.shortlist import PREFERENCE_BITS, shortlists
from marketplace.engine.snapshot import MICRO, Request
from marketplace.engine.state import State, take_off
from marketplace.engine.ties import Ties, ties
from marketplace.engine.trial import Trial
from marketplace.engine.want import Want
from marketplace.engine.windows import running

MOST_CELLS = 256
"""Cells that the search looks at for one want."""

ONE_BY_ONE = 5_000
"""Requests up to which those that found no place are looked at again, one by one and exactly."""

AGAIN = 3
"""Times that those without a place are placed anew, at the prices that hold by then."""


@dataclass(frozen=True, slots=True)
class Solved:
    """What was decided for a market, or for a part of one.

    ``given_up`` are requests for whose placements no uniform price could be found.
    """

    placements: tuple[Placement, ...]
    bound: Bound
    given_up: tuple[int, ...]


def solve(market: Market) -> Solved:
    """Decide a market that has offers and requests."""
    found = bounded(market.supplied, market.demanded, market.bits())
    guide, tied = _guide(market, found), ties(market.snapshot, market.facts)
    effort = hunt.effort(len(market.snapshot.requests))
    seed = int(market.seed[:15], 16)
    state = hunt.hunt(guide, tied, found.gains, market.ranks, effort, seed)
    _let_earlier_ones_go_first(market, state)
    accepting = _Acceptance(market)
    accepting.take_over(state)
    accepting.place_again(guide, tied, state, found.gains)
    accepting.serve_the_rest()
    return Solved(
        placements=tuple(placements(market.facts, accepting.fills)),
        bound=_proof(market.facts, found),
        given_up=tuple(sorted(accepting.given_up - accepting.fills.keys())),
    )


def placements(facts: Facts, fills: dict[int, Fill]) -> list[Placement]:
    """The fills by request, in the order of a result."""
    found = [
        Placement(
            request=request,
            alternative=fill.want.alternative.position,
            offer=facts.offers[take.row].id,
            first_slot=take.first_slot,
            slots=take.slots,
            cards=take.cards,
        )
        for request, fill in fills.items()
        for take in fill.takes
    ]
    return sorted(found, key=lambda each: (each.request, each.offer, each.first_slot))


def _let_earlier_ones_go_first(market: Market, state: State) -> None:
    """Of requests that are alike in everything but their time of entry, those entered first are placed, and
    the earlier has the better place: it makes no difference to anybody else."""
    first = market.demanded.first
    for alike in _alike(market):
        order = np.array(sorted(alike, key=market.ranks.__getitem__), dtype=np.int64)
        better = np.array(sorted(alike, key=lambda index: (-state.gain[index], market.ranks[index])))
        places = np.where(state.want >= 0, state.want - first[:-1], -1)[better]
        state.want[order] = np.where(places >= 0, first[order] + places, -1)
        for column in (state.runs, state.takes, state.gain):
            column[order] = column[better]


def _alike(market: Market) -> list[list[int]]:
    """Places of requests that ask for the same and that nothing ties to others, two or more together."""
    snapshot, found = market.snapshot, defaultdict[object, list[int]](list)
    tied = {each for budget in snapshot.budgets for each in budget.requests}
    tied |= {each for choice in snapshot.choices for each in choice.requests}
    capped = {cap.buyer for cap in snapshot.owner_caps}
    for index, request in enumerate(snapshot.requests):
        if request.id not in tied and request.buyer not in capped:
            found[request.currency, request.least, request.alternatives].append(index)
    return [alike for alike in found.values() if len(alike) > 1]


def _guide(market: Market, found: Bounded) -> Guide:
    supplied, demanded, cells = market.supplied, market.demanded, found.cells
    prices = found.prices[np.repeat(np.arange(cells.peak.size), np.diff(cells.first))]
    lists, hopes = shortlists(demanded, found.lists, cells, found.prices, MOST_CELLS)
    what_it_costs_others = _what_it_costs_others(supplied.cost, prices)
    return drafting.guide(supplied, demanded, market.bits(), cells, lists, hopes, what_it_costs_others)


def _what_it_costs_others(costs: Ints, prices: Ints) -> Ints:
    """The shadow price of a card-hour where it is above its cost, and a little less the cheaper it is.

    So the cheaper of two offers is taken where shadow prices make them equal.
    """
    margins = np.maximum(prices - costs, 0)
    weighed: Ints = costs + margins - (margins >> PREFERENCE_BITS)
    return weighed


def _proof(facts: Facts, found: Bounded) -> Bound:
    first = found.cells.first
    shadows = [
        Shadow(
            tuple(sorted(facts.offers[row].id for row in range(first[cell], first[cell + 1]))),
            tuple(found.prices[cell].tolist()),
        )
        for cell in range(first.size - 1)
    ]
    return Bound(found.value, tuple(sorted(shadows, key=lambda shadow: shadow.offers)))


class _Acceptance:
    """Fills accepted one by one into the exact book, each only if it hurts nobody."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._book = Book(market.snapshot, market.facts)
        self._groups = Groups(market.snapshot, market.facts)
        self._accepted = np.zeros(len(market.snapshot.requests), dtype=np.bool_)
        self.fills: dict[int, Fill] = {}
        self.given_up: set[int] = set()

    def take_over(self, state: State) -> None:
        """Accept what was found, the highest surplus first; what cannot be accepted is given up."""
        placed = np.flatnonzero((state.want >= 0) & ~self._accepted)
        for index in placed[np.lexsort((self._market.ranks[placed], -state.gain[placed]))]:
            want = self._want(int(state.want[index]))
            takes = (Take(*take) for take in state.takes[index, : state.runs[index]].tolist())
            self._accepted[index] = self._accept(self._book.quote(want, takes))
            if not self._accepted[index]:
                self.given_up.add(want.request)

    def place_again(self, guide: Guide, tied: Ties, state: State, gains: Ints) -> None:
        """Place who has nothing where it can pay what cards cost by now, as long as that helps."""
        for _ in range(AGAIN):
            for index in np.flatnonzero((state.want >= 0) & ~self._accepted):
                take_off(guide, tied, state, int(index))
            np.minimum(state.free, self._book.harmless().free, out=state.free)
            before = len(self.fills)
            hunt.place_waiting(self._at_prices(guide), tied, state, gains, self._market.ranks)
            self.take_over(state)
            if len(self.fills) == before:
                return

    def _at_prices(self, guide: Guide) -> Guide:
        """To look at offers at what a card would cost its buyer in the book as it is."""
        facts = self._market.facts
        costs = self._book.costs(np.arange(len(facts)), slice(0, facts.slots))
        prices = running(costs * facts.base[:, None] // MICRO)
        return guide._replace(price=prices, hopes=np.full_like(guide.hopes, NEVER))

    def serve_the_rest(self) -> None:
        """Serve who has nothing yet from what is left, as exactly as can be."""
        waiting = [each for each in merit.in_order(self._market) if each.id not in self.fills]
        if len(self._market.snapshot.requests) <= ONE_BY_ONE:
            for request in waiting:
                self._serve(
                    find(self._book, want, self._market.eligibility.of(want))
                    for want in self._market.wanted[request.id]
                )
        self._serve_promising([each for each in waiting if each.id not in self.fills])

    def _serve_promising(self, requests: Iterable[Request]) -> None:
        """Try the few offers that a sweep proposes for each request that has nothing."""
        waiting = [want for request in requests for want in self._market.wanted[request.id]]
        rows = promising_rows(self._market, self._book, waiting)
        trial = Trial(self._book, self._groups)
        by_request = groupby(sorted(rows), lambda number: waiting[number].request)
        for _, numbers in by_request:
            self._serve(trial.find(waiting[number], rows[number]) for number in numbers)

    def _serve(self, fills: Iterable[Fill | None]) -> None:
        """Accept the best of what was found for one request, or the next best."""
        for fill in sorted((fill for fill in fills if fill is not None), key=_preference, reverse=True):
            if self._accept(fill):
                return

    def _want(self, number: int) -> Want:
        demanded = self._market.demanded
        request = int(demanded.request[number])
        own = self._market.wanted[self._market.snapshot.requests[request].id]
        return own[number - int(demanded.first[request])]

    def _accept(self, fill: Fill) -> bool:
        """Accept a fill if it is within its limit, worth more than it costs, and breaks nothing."""
        lasting = fill.filled >= fill.want.least_whole and fill.gain >= 0 and self._gains(fill)
        if not lasting or not self._book.tolerates(fill) or self._groups.broken_by(fill) is not None:
            return False
        self._book.accept(fill)
        self._groups.accept(fill)
        self.fills[fill.want.request] = fill
        return True

    def _gains(self, fill: Fill) -> bool:
        """Whether a fill is worth what is asked for it and its emissions count."""
        pico = self._market.facts.pico
        return fill.worth >= sum(int(pico[take.row, take.span].sum()) * take.cards for take in fill.takes)


def _preference(fill: Fill) -> tuple[int, int, int]:
    """The fuller fill, then the one that leaves more of its limit, then the earlier alternative."""
    share = fill.filled * MICRO // fill.want.amount
    return share, fill.gain, -fill.want.alternative.position
