"""Why each request got what it got, what would have matched it, and what would have sold more of an offer.

All of it is found by sweeps over every request and offer at once (``funnels``, ``losses``, ``promising``,
``lower_asks``); what is told as a figure is exact, and what is told as a remedy was tried (``trial``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from marketplace.engine.asked import Kinds, asked, kinds
from marketplace.engine.book import Book, Fill
from marketplace.engine.columns import Bytes, powers
from marketplace.engine.eligibility import Eligibility
from marketplace.engine.facts import Ints
from marketplace.engine.funnels import DEAR, LATE, SHORT, Funnelled, Held, funnelled
from marketplace.engine.groups import Groups
from marketplace.engine.losses import losses
from marketplace.engine.lower_asks import lower_asks
from marketplace.engine.promising import Shop
from marketplace.engine.remedies import Refused, Remedies
from marketplace.engine.result import Constraint, Explanation, Funnel, OfferOutcome, Outcome
from marketplace.engine.shelf import shelves
from marketplace.engine.snapshot import MICRO, Snapshot
from marketplace.engine.trial import Trial
from marketplace.engine.want import Want

ORDER = {constraint: index for index, constraint in enumerate(Constraint)}


@dataclass(frozen=True, slots=True)
class Wants:
    """Wants with their profiles."""

    wants: Sequence[Want]
    profiles: Sequence[int]


@dataclass(frozen=True)
class Cleared:
    """A run as it is over: the book as it left it, who got what, and the prices by (product, slot)."""

    snapshot: Snapshot
    book: Book
    eligibility: Eligibility
    wanted: Mapping[int, Sequence[Want]]
    fills: Mapping[int, Fill]
    prices: Ints

    @property
    def requests(self) -> Iterator[Sequence[Want]]:
        """The wants of each request, in the order of the snapshot."""
        return (self.wanted[request.id] for request in self.snapshot.requests)

    @cached_property
    def asked(self) -> Wants:
        """All wants, one after the other."""
        wants = [want for own in self.requests for want in own]
        return Wants(wants, [self.eligibility.profile(want) for want in wants])

    @cached_property
    def refused(self) -> Wants:
        """The wants of requests that got nothing."""
        both = zip(self.asked.wants, self.asked.profiles, strict=True)
        left = [(want, profile) for want, profile in both if want.request not in self.fills]
        return Wants([want for want, _ in left], [profile for _, profile in left])

    @cached_property
    def bits(self) -> Bytes:
        """By profile of the wants, one bit an offer: whether it serves them."""
        profiles = self.asked.profiles
        return self.eligibility.bits()[: max(profiles, default=-1) + 1]

    @cached_property
    def groups(self) -> Groups:
        """What is left of every choice and cap."""
        groups = Groups(self.snapshot, self.book.facts)
        for fill in self.fills.values():
            groups.accept(fill)
        return groups

    @cached_property
    def harmless(self) -> Book:
        """The book without the cards that nobody can have any more, because their asks would hurt others."""
        return self.book.harmless()

    @cached_property
    def kinds(self) -> Kinds:
        return kinds(self.book.facts)

    def shop(self, book: Book) -> Shop:
        """What a book has left for the refused."""
        return Shop.of_what_is_left(book, self.kinds, self.refused.wants)


def explanations(cleared: Cleared) -> tuple[Explanation, ...]:
    """One a request, in the order of the snapshot."""
    swept, powerless = _swept(cleared)
    wants, profiles = cleared.asked.wants, cleared.asked.profiles
    figures = zip(wants, profiles, swept.counts.tolist(), powerless.tolist(), strict=True)
    funnels = (_funnel(cleared.eligibility, *each) for each in figures)
    refusals = _Refusals(cleared, swept.fitting)
    for want, count in zip(wants, powerless.tolist(), strict=True):
        if count:
            refusals.powerless[want.request, want.alternative.position] = _asked_of_hours(want)
    found = []
    for own in cleared.requests:
        told = tuple(islice(funnels, len(own)))
        fill = cleared.fills.get(own[0].request)
        found.append(_accepted(fill, told) if fill else refusals.explanation(own, told))
    return tuple(found)


def offer_outcomes(cleared: Cleared) -> tuple[OfferOutcome, ...]:
    """One an offer, in the order of the snapshot."""
    facts, book, refused = cleared.book.facts, cleared.book, cleared.refused
    free, left = facts.free.sum(axis=1), book.free.sum(axis=1)
    shop = cleared.shop(book)
    asks = lower_asks(book, cleared.groups, shop, refused.wants, refused.profiles, cleared.bits)
    rows = ((offer.id, facts.row_of[offer.id]) for offer in cleared.snapshot.offers)
    return tuple(
        OfferOutcome(offer, int(free[row]), int(free[row] - left[row]), asks.get(row)) for offer, row in rows
    )


def _swept(cleared: Cleared) -> tuple[Funnelled, Ints]:
    """The offers that window, capacity and limit remove from all wants, before the run.

    And by want how many have the cards, but never for long enough in hours with the power asked for.
    """
    facts, wants = cleared.book.facts, cleared.asked.wants
    refused = np.array([want.request not in cleared.fills for want in wants], dtype=np.bool_)
    columns = asked(facts, wants, cleared.asked.profiles)
    by_power = shelves(facts, facts.free, facts.asks, powers(facts, wants))
    held = Held.of([_rows_held(cleared.fills.get(want.request), want) for want in wants])
    rest = facts.minimum, cleared.bits, held, refused
    swept = funnelled(columns, cleared.kinds, by_power, *rest)
    if len(by_power) == 1:
        return swept, np.zeros(len(wants), dtype=np.int64)
    whatever_power = funnelled(columns, cleared.kinds, by_power[:1] * len(by_power), *rest)
    return swept, swept.counts[:, SHORT] - whatever_power.counts[:, SHORT]


def _rows_held(fill: Fill | None, want: Want) -> list[int]:
    """The offers that an alternative got."""
    if fill is None or fill.want.alternative.position != want.alternative.position:
        return []
    return sorted({take.row for take in fill.takes})


def _funnel(
    eligibility: Eligibility, want: Want, profile: int, counts: Sequence[int], powerless: int
) -> Funnel:
    """``powerless`` offers have the cards, but not at hours with the power asked for: that removes them."""
    standing, removed = eligibility.removed(profile)
    late = standing - sum(counts) + counts[LATE]
    asked = _asked_of_hours(want)
    found = (
        *((each, count + powerless * (each is asked)) for each, count in removed),
        (Constraint.WINDOW, late),
        (Constraint.CAPACITY, counts[SHORT] - powerless),
        (Constraint.LIMIT, counts[DEAR]),
    )
    kept = tuple((constraint, count) for constraint, count in found if count)
    return Funnel(want.alternative.position, len(eligibility.facts), kept)


def _asked_of_hours(want: Want) -> Constraint | None:
    """What is asked of every hour; where that is two things, the last."""
    if want.alternative.carbon is not None:
        return Constraint.CARBON
    return Constraint.RENEWABLE_SHARE if want.alternative.renewable_share is not None else None


def _accepted(fill: Fill, funnels: tuple[Funnel, ...]) -> Explanation:
    outcome = Outcome.MATCHED if fill.filled == fill.want.whole else Outcome.PARTLY
    return Explanation(fill.want.request, outcome, None, funnels, None, None, 0)


class _Refusals:
    """What refused requests lost against, and what would have matched them."""

    def __init__(self, cleared: Cleared, fitting: Bytes) -> None:
        facts, book, eligibility = cleared.book.facts, cleared.harmless, cleared.eligibility
        wants, profiles = cleared.refused.wants, cleared.refused.profiles
        columns = asked(facts, wants, profiles)
        lost = losses(facts, wants, columns, cleared.kinds, fitting, cleared.prices)
        self._losses = {
            (want.request, want.alternative.position): loss
            for want, loss in zip(wants, lost, strict=True)
            if loss is not None
        }
        trial = Trial(book, cleared.groups)
        refused = Refused(wants, profiles, cleared.bits, fitting)
        self._remedies = Remedies(trial, cleared.shop(book), eligibility, refused)
        self.powerless: dict[tuple[int, int], Constraint | None] = {}

    def explanation(self, wants: Sequence[Want], funnels: tuple[Funnel, ...]) -> Explanation:
        request = wants[0].request
        known = (self._losses.get((request, want.alternative.position)) for want in wants)
        lost = [loss for loss in known if loss is not None]
        return Explanation(
            request=request,
            outcome=Outcome.UNMATCHED,
            binding=self._binding(request, funnels),
            funnels=funnels,
            remedy=self._remedies.found.get(request),
            price=min((loss.price for loss in lost), default=None),
            foregone=max((loss.gain // MICRO for loss in lost), default=0),
        )

    def _binding(self, request: int, funnels: tuple[Funnel, ...]) -> Constraint:
        """The constraint that the remedy changes, or else what held the request back, or else the last one
        that was left to fail."""
        remedy = self._remedies.found.get(request)
        if remedy is not None:
            return remedy.constraint
        if request in self._remedies.held_back:
            return self._remedies.held_back[request]
        failed = (self._last_failed(request, funnel) for funnel in funnels)
        return max(failed, key=ORDER.__getitem__)

    def _last_failed(self, request: int, funnel: Funnel) -> Constraint:
        """Power comes after the window and before the cards: what has neither lacks power last."""
        last, power = _last_failed(funnel), self.powerless.get((request, funnel.alternative))
        return power if power is not None and ORDER[last] <= ORDER[Constraint.WINDOW] else last


def _last_failed(funnel: Funnel) -> Constraint:
    """The constraint that removed the last offer; ``CAPACITY`` if others got the cards first."""
    left = funnel.offers - sum(count for _, count in funnel.removed)
    if left or not funnel.removed:
        return Constraint.CAPACITY
    return funnel.removed[-1][0]
