"""What a request would cost now, without a run.

Each alternative is quoted as if nobody else were buying: at the ask, or at the last clearing price where
that is higher. What is quoted can be had; that nothing is cheaper is certain only for one gang of all or
nothing. Divisible work is quoted as so many cards over one run of hours, at a few lengths: a run of the
market may find a cheaper schedule for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from marketplace.engine.depth import Depth, depth
from marketplace.engine.eligibility import STANDING
from marketplace.engine.facts import Ints, Mask, Product
from marketplace.engine.quotebook import QuoteBook
from marketplace.engine.quotefill import NEVER, Cost, Search, shapes
from marketplace.engine.result import Constraint, Funnel
from marketplace.engine.snapshot import Request
from marketplace.engine.want import Want, wants

MOST_PRODUCTS = 8
"""Of the products that would do, so many are told of: the cheapest."""

LAST = (Constraint.WINDOW, Constraint.CAPACITY, Constraint.LIMIT)
"""Asked after all standing constraints."""


@dataclass(frozen=True, slots=True)
class Without:
    """What would be without one constraint: the cost, and how many more offers and sites there would be."""

    constraint: Constraint
    cost: Cost | None
    offers: int
    sites: int


@dataclass(frozen=True, slots=True)
class ProductQuote:
    """A product that could serve it, at how many sites, and from what price per unit and hour (rounded)."""

    product: Product
    sites: int
    unit: int


@dataclass(frozen=True, slots=True)
class Quote:
    """An alternative as it could be served now.

    ``funnel`` counts offers as explanations do, at the prices of the quote. ``offers``, ``sites`` and
    ``zones`` could serve it or a part of it, whatever it costs; ``cost`` is ``None`` where they are too
    few. ``without`` has the standing constraints that keep offers away all by themselves. ``products`` are
    the cheapest of those that could serve it, and ``depth`` is that of the book at the hours of ``cost``.
    """

    alternative: int
    funnel: Funnel
    offers: int
    sites: int
    zones: int
    cost: Cost | None
    depth: Depth | None
    products: tuple[ProductQuote, ...]
    without: tuple[Without, ...]


def quote(book: QuoteBook, request: Request) -> tuple[Quote, ...]:
    """A quote of each alternative."""
    return tuple(_Quoter(book, want, request.least).quote() for want in wants(request, book.bases))


class _Quoter:
    """Looks for one want at the offers that are there in time and fail one standing constraint at most.

    ``_only`` is which one that is, counted from 1, or 0 where an offer meets all of them.
    """

    def __init__(self, book: QuoteBook, want: Want, least: int) -> None:
        self._book, self._want = book, want
        self._asked: list[tuple[Constraint, Mask]] = [
            (standing.constraint, book.meets(standing, value))
            for standing in STANDING
            if (value := standing.asked(want.alternative)) is not None
        ]
        self._rows, self._only = self._candidates()
        self._searches = [Search(book, shape, self._rows) for shape in shapes(want, least)]
        self._able = self._any(lambda search: search.cheapest < NEVER)

    def quote(self) -> Quote:
        facts = self._book.facts
        meeting = self._only == 0
        served = self._rows[self._able & meeting]
        sites = set(facts.site_id[served].tolist())
        search, cost = self._best(meeting)
        return Quote(
            alternative=self._want.alternative.position,
            funnel=self._funnel(),
            offers=served.size,
            sites=len(sites),
            zones=len(facts.zones(served)),
            cost=cost,
            depth=depth(self._book, search, cost, meeting) if search and cost else None,
            products=tuple(self._products()),
            without=tuple(self._without(sites)),
        )

    def _candidates(self) -> tuple[Ints, Ints]:
        failed = np.zeros(len(self._book.facts), dtype=np.int64)
        which = np.zeros(len(self._book.facts), dtype=np.int64)
        for number, (_, met) in enumerate(self._asked, start=1):
            failed += ~met
            which += ~met * number
        usable = self._in_time() & (self._book.facts.yields(self._want) > 0) & (failed <= 1)
        rows = np.flatnonzero(usable).astype(np.int64)
        return rows, which[rows]

    def _in_time(self) -> Mask:
        """Which offers are there long enough in the window, for a run as long as their owners ask."""
        book, alternative = self._book, self._want.alternative
        end, first = np.minimum(book.end, alternative.deadline), np.maximum(book.first, alternative.earliest)
        if alternative.divisible:
            return np.asarray(end - first >= book.facts.minimum)
        long_enough = end - first >= alternative.duration
        return np.asarray(long_enough & (book.facts.minimum <= alternative.duration))

    def _any(self, answer: Callable[[Search], Mask]) -> Mask:
        """Which candidates some shape says yes to."""
        said = np.zeros(self._rows.size, dtype=np.bool_)
        for search in self._searches:
            said |= answer(search)
        return said

    def _funnel(self) -> Funnel:
        """As many offers as each constraint leaves of those that the ones before it left."""
        offers, meeting = len(self._book.facts), self._only == 0
        within = self._any(lambda search: search.cheapest <= search.shape.worth)
        kept, left = np.ones(offers, dtype=np.bool_), [offers]
        for _, met in self._asked:
            kept = kept & met
            left.append(int(np.count_nonzero(kept)))
        left += [int(np.count_nonzero(meeting & some)) for some in (meeting, self._able, within)]
        constraints = [*(each for each, _ in self._asked), *LAST]
        removed = zip(constraints, (before - after for before, after in pairwise(left)), strict=True)
        kept_counts = tuple((constraint, count) for constraint, count in removed if count)
        return Funnel(self._want.alternative.position, offers, kept_counts)

    def _best(self, allowed: Mask) -> tuple[Search | None, Cost | None]:
        """The fullest, then cheapest fill from the candidates that are allowed, and what found it."""
        found = [(search, cost) for search in self._searches if (cost := search.cost(allowed)) is not None]
        return max(found, key=lambda pair: (pair[1].filled, -pair[1].paid), default=(None, None))

    def _products(self) -> list[ProductQuote]:
        facts, some = self._book.facts, np.flatnonzero(self._able & (self._only == 0)).astype(np.int64)
        price = np.min([search.prices(some) for search in self._searches], axis=0)
        product, sites = facts.product[self._rows[some]], facts.site_id[self._rows[some]]
        lowest = np.full(len(facts.products), NEVER)
        np.minimum.at(lowest, product, price)
        cheapest = [
            each for each in np.argsort(lowest, kind="stable")[:MOST_PRODUCTS] if lowest[each] < NEVER
        ]
        return [
            ProductQuote(
                facts.products[each], int(np.unique(sites[product == each]).size), round(lowest[each])
            )
            for each in cheapest
        ]

    def _without(self, sites: set[int]) -> Iterator[Without]:
        for number, (constraint, _) in enumerate(self._asked, start=1):
            gained = self._only == number
            more = self._rows[self._able & gained]
            if more.size:
                others = set(self._book.facts.site_id[more].tolist()) - sites
                yield Without(constraint, self._best(gained | (self._only == 0))[1], more.size, len(others))
