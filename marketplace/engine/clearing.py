"""Clear a market: shadow prices, a search for placements, and uniform prices that hurt nobody.

1. *Bound*: shadow prices under which no placement could be better than a bound (``bounding``).
2. *Search*: placements guided by those prices (``hunt``); sound but for prices, limits and groups.
3. *Acceptance*: the placements one by one, those with the highest surplus first, into the exact book
   (``book``, ``groups``). One that would raise a price beyond an accepted buyer's limit, or its own, or
   break a group, is given up.
4. *Rest*: who was given up or found no place is served from what is left, in the order of ``merit``.
5. *Prices*: uniform by product and slot, between what owners asked and what buyers bear (``pricing``).
6. *Explanations*.

**Why nobody is hurt.** Let an accepted set be *sound* if (1) cards sold never exceed cards free,
(2) every floor price is the highest ask accepted in its product and slot, and (3) every buyer pays at
most its limit at floor prices. The empty set is sound. A placement is accepted only if the cards are
free over the whole run (1), the floors are raised to its asks where they are lower (2), its own payment
at those floors is within its limit, and no earlier buyer's rises exceed its headroom (3). So the set
stays sound. Clearing prices are at least the floors, so an owner gets at least its ask; and they rise
above them only as far as every buyer stays within its limit. Owners of a product are paid the price
that buyers pay, so payments balance in each currency without any rounding.

**Rounding.** Payments are exact in the offer's currency. Against a limit in another currency they
are converted rounded up (see ``want``), and the worth of an nP-hour is rounded down, both to the
buyer's favour. ``surplus`` is summed exactly and rounded down once.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine import columns, explanation, hunt, merit, windows
from marketplace.engine.book import Book, Fill
from marketplace.engine.bounding import Bounded, bounded
from marketplace.engine.codec import canonical, digest, snapshot_bytes
from marketplace.engine.eligibility import Eligibility, Eligible
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.groups import Groups
from marketplace.engine.placing import Guide, State
from marketplace.engine.pricing import clearing_prices
from marketplace.engine.result import Bound, OfferOutcome, Placement, Price, Result, Shadow
from marketplace.engine.search import find
from marketplace.engine.shortlist import shortlists
from marketplace.engine.snapshot import MICRO, Request, Snapshot
from marketplace.engine.validation import check
from marketplace.engine.want import Want, bases, wants

ENGINE_VERSION = "dual-1"
RESULT_FORMAT = 2

MOST_CELLS = 256
"""Cells that the search looks at for one want."""

LARGE = 5_000
"""Requests from which on a market is searched with less effort, and not again one by one."""

EFFORT = hunt.Effort(rounds=8, ruins=40)
EFFORT_IF_LARGE = hunt.Effort(rounds=3, ruins=0)


def clear(snapshot: Snapshot) -> Result:
    """Match the snapshot's requests with its offers.

    Depends on nothing but the snapshot, and not on the order of its rows. Raises
    ``MalformedSnapshot`` if the snapshot does not describe a market.
    """
    check(snapshot)
    run = _Run(canonical(snapshot))
    if snapshot.offers and snapshot.requests:
        run.serve_all()
    return run.result()


class _Run:
    """One clearing: the book, what each request may use, and what it got."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._digest = digest(snapshot_bytes(snapshot))
        self._facts = Facts(snapshot)
        self._book = Book(self._facts)
        self._groups = Groups(snapshot, self._facts)
        self._eligibility = Eligibility(self._facts)
        worth = bases(snapshot)
        self._wanted = {request.id: list(wants(request, worth)) for request in snapshot.requests}
        self._fills: dict[int, Fill] = {}
        self._bound = Bound(0, _nought(snapshot))
        self._shadows: Ints = np.zeros_like(self._book.price)
        self._given_up: set[int] = set()

    def serve_all(self) -> None:
        supplied = columns.supply(self._facts)
        wanted = list(self._wanted.values())
        profiles = [self._eligibility.profile(want) for own in wanted for want in own]
        demanded = columns.demand(self._facts, wanted, np.array(profiles, dtype=np.int64))
        bits = self._eligibility.bits()
        found = bounded(supplied, demanded, bits)
        self._keep_bound(found)
        guide = _guide(supplied, demanded, bits, found)
        effort = EFFORT_IF_LARGE if len(wanted) > LARGE else EFFORT
        state = hunt.hunt(guide, found.gains, self._ranks(), effort, int(self._digest[:15], 16))
        self._accept_all(state, demanded)
        if len(wanted) <= LARGE:
            self._serve_the_rest()

    def _ranks(self) -> Ints:
        """The place of each request by time of entry, and then by a hash that nobody can aim for."""
        requests = self._snapshot.requests
        order = sorted(range(len(requests)), key=lambda index: self._turn(requests[index]))
        ranks = np.empty(len(requests), dtype=np.int64)
        ranks[order] = np.arange(len(requests))
        return ranks

    def _turn(self, request: Request) -> tuple[int, str]:
        return request.entered, digest(f"{self._digest}:{request.id}".encode())

    def _accept_all(self, state: State, demanded: columns.Demand) -> None:
        """Accept what was found, the highest surplus first; what cannot be accepted is given up."""
        turns = self._ranks()
        placed = np.flatnonzero(state.want >= 0)
        for index in placed[np.lexsort((turns[placed], -state.gain[placed]))]:
            want = self._want(demanded, int(state.want[index]))
            fill = self._fill(state, int(index), want)
            if not self._accept(fill):
                self._given_up.add(want.request)

    def _want(self, demanded: columns.Demand, number: int) -> Want:
        request = int(demanded.request[number])
        own = self._wanted[self._snapshot.requests[request].id]
        return own[number - int(demanded.first[request])]

    def _fill(self, state: State, index: int, want: Want) -> Fill:
        takes = [(int(state.row[index, k]), int(state.cards[index, k])) for k in range(state.takes[index])]
        slots = int(state.slots[index])
        if want.alternative.divisible:
            takes, slots = _tightened(self._facts, want, takes[0], slots)
        return self._book.quote(want, int(state.start[index]), takes, slots)

    def _accept(self, fill: Fill) -> bool:
        """Accept a fill if it is within its limit and breaks nothing."""
        lasting = fill.filled >= fill.want.least_whole and fill.gain >= 0
        if not lasting or not self._book.tolerates(fill) or self._groups.broken_by(fill) is not None:
            return False
        self._book.accept(fill)
        self._groups.accept(fill)
        self._fills[fill.want.request] = fill
        return True

    def _serve_the_rest(self) -> None:
        """Serve who has nothing yet from what is left, one by one, as exactly as can be."""
        waiting = [request for request in self._snapshot.requests if request.id not in self._fills]
        for request in merit.in_order(waiting, self._wanted, self._eligibility, self._digest):
            fills = [
                fill
                for want in self._wanted[request.id]
                if (fill := find(self._book, want, self._eligibility.of(want).rows)) is not None
            ]
            for fill in sorted(fills, key=_preference, reverse=True):
                if self._accept(fill):
                    break

    def _keep_bound(self, found: Bounded) -> None:
        offers, first = self._facts.offers, found.cells.first
        shadows = [
            Shadow(
                tuple(sorted(offers[row].id for row in range(first[cell], first[cell + 1]))),
                tuple(found.prices[cell].tolist()),
            )
            for cell in range(first.size - 1)
        ]
        self._bound = Bound(found.value, tuple(sorted(shadows, key=lambda shadow: shadow.offers)))
        product = self._facts.product[first[:-1]]
        np.maximum.at(self._shadows, product, found.prices)
        base = np.array(self._facts.product_base, dtype=np.int64)[:, None]
        self._shadows = self._shadows * MICRO // base

    def result(self) -> Result:
        explain = explanation.Explainer(self._book, self._eligibility)
        prices = clearing_prices(self._book, self._fills.values(), self._shadows)
        surplus, emission = self._surplus(), self._emission()
        return Result(
            format=RESULT_FORMAT,
            engine=ENGINE_VERSION,
            snapshot=self._digest,
            surplus=surplus // MICRO,
            objective=(surplus - emission) // MICRO,
            bound=self._bound,
            repriced=len(self._given_up - self._fills.keys()),
            placements=self._placements(),
            prices=self._prices(prices),
            explanations=tuple(
                explain(
                    self._wanted[request.id], self._eligible(request), self._fills.get(request.id), prices
                )
                for request in self._snapshot.requests
            ),
            offers=self._offers(),
        )

    def _eligible(self, request: Request) -> list[Eligible]:
        return [self._eligibility.of(want) for want in self._wanted[request.id]]

    def _placements(self) -> tuple[Placement, ...]:
        placements = (
            Placement(
                request=request,
                alternative=fill.want.alternative.position,
                offer=self._facts.offers[row].id,
                first_slot=fill.first_slot,
                slots=fill.slots,
                cards=cards,
            )
            for request, fill in self._fills.items()
            for row, cards in fill.takes
        )
        return tuple(sorted(placements, key=lambda each: (each.request, each.offer)))

    def _prices(self, table: Ints) -> tuple[Price, ...]:
        prices = [
            Price(model, zone, int(slot), currency, int(table[product, slot]))
            for product, (model, zone, currency) in enumerate(self._facts.products)
            for slot in self._book.sold[product].nonzero()[0]
        ]
        return tuple(sorted(prices, key=lambda each: (each.model, each.zone, each.slot, each.currency)))

    def _offers(self) -> tuple[OfferOutcome, ...]:
        free = self._facts.free.sum(axis=1)
        left = self._book.free.sum(axis=1)
        rows = (self._facts.row_of[offer.id] for offer in self._snapshot.offers)
        return tuple(
            OfferOutcome(self._facts.offers[row].id, int(free[row]), int(free[row] - left[row]), None)
            for row in rows
        )

    def _surplus(self) -> int:
        """Limit value less ask cost of what is matched, in pico."""
        return sum(fill.worth - self._ask_cost(fill) for fill in self._fills.values())

    def _ask_cost(self, fill: Fill) -> int:
        span = slice(fill.first_slot, fill.first_slot + fill.slots)
        return sum(
            int(self._facts.asks[row, span].sum()) * cards * int(self._facts.base[row])
            for row, cards in fill.takes
        )

    def _emission(self) -> int:
        """What the carbon of everything matched counts, in pico."""
        return sum(
            int(self._facts.emission[row]) * cards * fill.slots
            for fill in self._fills.values()
            for row, cards in fill.takes
        )


def _guide(supplied: columns.Supply, demanded: columns.Demand, bits: columns.Bytes, found: Bounded) -> Guide:
    cells = found.cells
    prices = found.prices[np.repeat(np.arange(cells.peak.size), np.diff(cells.first))]
    return Guide(
        supply=supplied,
        demand=demanded,
        bits=bits,
        cells=cells,
        lists=shortlists(demanded, found.lists, cells, found.prices, MOST_CELLS),
        cost=windows.running(supplied.cost),
        price=windows.running(_what_it_costs_others(supplied.cost, prices)),
    )


def _what_it_costs_others(costs: Ints, prices: Ints) -> Ints:
    """The shadow price of a card-hour where it is above its cost, and a little less the cheaper it is.

    So the cheaper of two offers is taken where shadow prices make them equal.
    """
    margins = np.maximum(prices - costs, 0)
    weighed: Ints = costs + margins - (margins >> 10)
    return weighed


def _nought(snapshot: Snapshot) -> tuple[Shadow, ...]:
    """Shadow prices of nothing for a market in which nothing can happen."""
    return tuple(Shadow((offer.id,), (0,) * snapshot.slots) for offer in snapshot.offers)


def _tightened(
    facts: Facts, want: Want, take: tuple[int, int], slots: int
) -> tuple[list[tuple[int, int]], int]:
    """The fewest cards and hours of one offer that still do divisible work."""
    row, cards = take
    rate, lot, shortest = int(facts.yields(want)[row]), int(facts.lot[row]), int(facts.minimum[row])
    while True:
        hours = max(-(-want.whole // (cards * rate)), shortest)
        fewer = -(-want.whole // (rate * hours * lot)) * lot
        if (fewer, hours) == (cards, slots):
            return [(row, cards)], slots
        cards, slots = fewer, hours


def _preference(fill: Fill) -> tuple[int, int, int]:
    """The fuller fill, then the one that leaves more of its limit, then the earlier alternative."""
    share = fill.filled * MICRO // fill.want.amount
    return share, fill.gain, -fill.want.alternative.position
