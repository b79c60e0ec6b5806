"""Why each request got what it got, and what would have matched it.

Remedies are looked for in the book as the run leaves it: a remedy is named only after a placement
was found that the remaining cards allow, at the prices that would then hold, within everybody's
limits. First the smallest rise of the limit; where no limit helps, the change of one other
constraint that is easiest to give up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from marketplace.engine import windows
from marketplace.engine.book import Book, Fill
from marketplace.engine.eligibility import Eligibility, Eligible
from marketplace.engine.facts import FAR, Ints
from marketplace.engine.relaxation import Value, change, proposals
from marketplace.engine.result import Constraint, Explanation, Funnel, Outcome, Remedy
from marketplace.engine.search import find
from marketplace.engine.snapshot import MICRO
from marketplace.engine.validation import MAX_MONEY, MAX_PICO
from marketplace.engine.want import Want

Case = tuple[Want, Eligible]
ORDER = {constraint: index for index, constraint in enumerate(Constraint)}


class Explainer:
    """Explains requests against the book as the run leaves it; changes nothing."""

    def __init__(self, book: Book, eligibility: Eligibility) -> None:
        self._book = book
        self._eligibility = eligibility

    def __call__(
        self, wanted: list[Want], eligible: list[Eligible], fill: Fill | None, prices: Ints
    ) -> Explanation:
        """``prices`` are the clearing prices by (product, slot)."""
        cases = list(zip(wanted, eligible, strict=True))
        remedy = None if fill else self._remedy(cases)
        price, foregone = (None, 0) if fill else self._lost_against(cases, prices)
        return Explanation(
            request=wanted[0].request,
            outcome=_outcome(fill),
            binding=None if fill else self._binding(cases, remedy),
            funnels=tuple(_funnel(able, fill) for able in eligible),
            remedy=remedy,
            price=price,
            foregone=foregone,
        )

    def _lost_against(self, cases: list[Case], prices: Ints) -> tuple[int | None, int]:
        """What a unit-hour would have cost at clearing prices, and what was foregone at them."""
        told = [self._at_prices(*case, prices) for case in cases if case[1].fitting.size]
        if not told:
            return None, 0
        return min(price for price, _ in told), max(0, *(gain // MICRO for _, gain in told))

    def _at_prices(self, want: Want, able: Eligible, prices: Ints) -> tuple[int, int]:
        """The lowest price of a unit-hour at one offer, and the gain (pico) of having everything there."""
        alternative, facts, rows = want.alternative, self._book.facts, able.fitting
        hours = 1 if alternative.divisible else alternative.duration
        span = slice(alternative.earliest, alternative.deadline)
        hourly = np.maximum(facts.asks[rows, span], prices[facts.product[rows], span])
        free = facts.free[rows, span]

        def cheapest(amount: int) -> list[tuple[int, int]]:
            """Cost in pico and units of the cards for ``amount``, wherever they fit."""
            cards = windows.needs(facts, want, rows, amount)
            enough = windows.unbroken(free >= cards[:, None], hours)
            costs = np.where(enough, windows.totals(hourly, hours), FAR).min(axis=1)
            figures = zip(costs, cards, facts.base[rows], facts.yields(want)[rows], strict=True)
            return [
                (int(cost) * int(number) * int(base), min(int(number) * int(rate), want.whole))
                for cost, number, base, rate in figures
                if cost != FAR
            ]

        price = min(
            -(-paid * want.scale // (units * hours * want.base))
            for paid, units in cheapest(want.smallest_use)
        )
        if alternative.divisible or alternative.gangs > 1:
            return price, 0
        gains = (want.worth(want.amount) - paid for paid, _ in cheapest(want.amount))
        return price, max(gains, default=0)

    def _binding(self, cases: list[Case], remedy: Remedy | None) -> Constraint:
        """The constraint that the remedy changes, or else the last one that was left to fail."""
        if remedy is not None:
            return remedy.constraint
        return max((_last_failed(able) for _, able in cases), key=ORDER.__getitem__)

    def _remedy(self, cases: list[Case]) -> Remedy | None:
        return self._cheapest_rise(cases) or next(self._changes(cases), None)

    def _cheapest_rise(self, cases: list[Case]) -> Remedy | None:
        """The rise of a limit that adds least to what the whole request may cost."""
        rises = []
        for want, able in cases:
            limit = self._sufficient_limit(want, able)
            if limit is not None:
                added = want.with_limit(limit).worth(want.amount) - want.worth(want.amount)
                rises.append((added, want.alternative.position, limit))
        if not rises:
            return None
        _, position, limit = min(rises)
        return Remedy(position, Constraint.LIMIT, limit)

    def _sufficient_limit(self, want: Want, able: Eligible) -> int | None:
        """The limit at which the cheapest fill of ``least`` is within it, found to work."""
        highest = min(MAX_MONEY, MAX_PICO // want.base)
        fill = find(self._book, want.with_amount(want.least).with_limit(highest), able.fitting)
        if fill is None:
            return None
        for limit in self._limits_for(want, fill):
            if want.alternative.limit < limit <= highest and self._works(want, Constraint.LIMIT, limit):
                return limit
        return None

    def _limits_for(self, want: Want, fill: Fill) -> Iterator[int]:
        """The limit that the whole fill needs, then the one that its dearest part needs alone."""
        quote = self._book.quote(want, fill.takes)
        overall = want.limit_for(quote.paid, quote.filled)
        yield overall
        parts = (self._book.quote(want, [take]) for take in fill.takes)
        yield max(overall, *(want.limit_for(part.paid, part.filled) for part in parts), 0)

    def _changes(self, cases: list[Case]) -> Iterator[Remedy]:
        """Changes of one constraint other than the limit that work, the easiest first."""
        for want, _ in cases:
            for constraint, value in self._candidates(want):
                if self._works(want, constraint, value):
                    yield Remedy(want.alternative.position, constraint, value)

    def _candidates(self, want: Want) -> Iterator[tuple[Constraint, Value]]:
        any_part = replace(want, least=1, share=0)
        smaller = find(self._book, any_part, self._eligibility.of(any_part).rows)
        if smaller is not None:
            yield Constraint.CAPACITY, smaller.filled
        deadline = self._earliest_deadline(want)
        if deadline is not None:
            yield Constraint.WINDOW, deadline
        yield from proposals(self._book.facts, want)

    def _earliest_deadline(self, want: Want) -> int | None:
        """The earliest later deadline that works, by bisection: a longer window only adds runs."""
        low, high = want.alternative.deadline, self._book.facts.slots
        if low >= high or not self._works(want, Constraint.WINDOW, high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._works(want, Constraint.WINDOW, middle):
                high = middle
            else:
                low = middle
        return high

    def _works(self, want: Want, constraint: Constraint, value: Value) -> bool:
        changed = replace(want, alternative=change(want.alternative, constraint, value))
        if constraint is Constraint.CAPACITY:
            changed = changed.with_amount(changed.amount)
        return find(self._book, changed, self._eligibility.of(changed).rows) is not None


def _funnel(able: Eligible, fill: Fill | None) -> Funnel:
    """The funnel of an alternative. What it got is not told as removed: as a part of a mix an offer may
    be dearer than the limit, where the mean of the mix is not."""
    funnel = able.funnel
    if fill is None or fill.want.alternative.position != funnel.alternative:
        return funnel
    dear = len({take.row for take in fill.takes} - set(able.rows.tolist()))
    counts = (
        (constraint, count - dear * (constraint is Constraint.LIMIT)) for constraint, count in funnel.removed
    )
    return replace(funnel, removed=tuple((constraint, count) for constraint, count in counts if count))


def _outcome(fill: Fill | None) -> Outcome:
    if fill is None:
        return Outcome.UNMATCHED
    return Outcome.MATCHED if fill.filled == fill.want.whole else Outcome.PARTLY


def _last_failed(able: Eligible) -> Constraint:
    """The constraint that removed the last offer; ``CAPACITY`` if others got the cards first."""
    if able.rows.size or not able.funnel.removed:
        return Constraint.CAPACITY
    return able.funnel.removed[-1][0]
