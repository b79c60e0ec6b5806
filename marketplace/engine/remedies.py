"""The one change of a request that would have matched it after the run.

First the smallest rise of the limit; where no limit helps, the change of one other constraint: a smaller
amount, a later deadline, or the standing constraint that is easiest to give up. Compiled sweeps over what
is left propose a few offers for each (``promising``), and a remedy is named only after it was tried with
them on the book as the run left it (``trial``). So a remedy may exist that nobody finds, but every one that
is named works.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from marketplace.engine.asked import shapes
from marketplace.engine.book import Fill
from marketplace.engine.columns import Bytes
from marketplace.engine.eligibility import HOURLY, Eligibility
from marketplace.engine.facts import Ints
from marketplace.engine.promising import (
    AFFORDABLE,
    CHEAPEST,
    EARLIEST,
    LARGEST,
    MOST,
    Shop,
    Sought,
)
from marketplace.engine.relaxation import RELAXABLE, Value, change
from marketplace.engine.result import Constraint, Remedy
from marketplace.engine.trial import Trial, highest_limit
from marketplace.engine.want import Want

FEW = 4
"""Offers that are tried for each way to compose an amount that may come from several."""

TRIES = 3
"""Values of one constraint that are tried, those that change least first."""

Offers = list[tuple[int, int]]
"""Rows of ``Facts``, each after what it is ranked by; the best first."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Wants of refused requests, and who might serve them as bits, one an offer.

    ``bits`` are by profile: offers that meet the standing constraints. ``fitting`` are by want: those that
    had the cards before the run.
    """

    wants: Sequence[Want]
    profiles: Sequence[int]
    bits: Bytes
    fitting: Bytes


class Remedies:
    """What would have matched refused requests; ``found`` and ``held_back`` are by request.

    Who could have been served as it is, were it not for what it shares with others, is told the group that
    held it back, or ``CAPACITY`` if none did.
    """

    def __init__(self, trial: Trial, shop: Shop, eligibility: Eligibility, refused: Refused) -> None:
        self.found: dict[int, Remedy] = {}
        self.held_back: dict[int, Constraint] = {}
        self._trial, self._shop, self._eligibility, self._refused = trial, shop, eligibility, refused
        self._shapes = shapes(refused.wants, refused.profiles)
        self._raise_limits()
        self._ask_for_less()
        self._wait_longer()
        for constraint in RELAXABLE:
            self._relax(constraint)

    def _raise_limits(self) -> None:
        """The rise of a limit that adds least to what the whole request may cost."""
        rises: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for want, offers in self._proposed(CHEAPEST, self._waiting(), self._refused.fitting):
            limit = self._sufficient_limit(want, _rows(offers))
            if limit is not None:
                added = want.with_limit(limit).worth(want.whole) - want.worth(want.whole)
                rises[want.request].append((added, want.alternative.position, limit))
        for request, options in rises.items():
            if request not in self.held_back:
                _, position, limit = min(options)
                self.found[request] = Remedy(position, Constraint.LIMIT, limit)

    def _sufficient_limit(self, want: Want, rows: Ints) -> int | None:
        """A higher limit that works; none if the want's own is high enough, which is noted."""
        fill = self._trial.cheapest(want, rows)
        if fill is None:
            return None
        limits = self._trial.sufficient_limits(want, fill)
        if limits[-1] <= want.alternative.limit:
            self._note_that_it_fits(fill)
            return None
        for limit in limits:
            higher = want.alternative.limit < limit <= highest_limit(want)
            if higher and self._trial.confirms(want.with_limit(limit), fill, rows):
                return limit
        return None

    def _ask_for_less(self) -> None:
        """The largest part of the amount that could be had, of what may be asked for in parts.

        A part of the amount of several gangs would be that of smaller gangs, which is something else.
        """
        waiting = self._waiting(lambda want: want.alternative.gangs <= 1)
        for want, offers in self._proposed(LARGEST, waiting, self._refused.bits, self._refused.profiles):
            rows = _rows(offers)
            part = self._trial.find(replace(want, least=1, share=1), rows)
            if part is not None and part.filled >= want.least_whole:
                self._note_that_it_fits(part)
            elif part is not None:
                self._ask_for_a_part(want, part, rows)

    def _ask_for_a_part(self, want: Want, part: Fill, rows: Ints) -> None:
        """Of divisible work a part is a lower amount for as long, so it is put together anew."""
        if not want.alternative.divisible:
            amount = part.filled
            works = self._trial.confirms(want.with_amount(amount), part, rows)
        else:
            amount = part.filled // want.alternative.duration
            works = amount > 0 and self._trial.works(want.with_amount(amount), rows)
        if works:
            self._name(want, Constraint.CAPACITY, amount)

    def _wait_longer(self) -> None:
        """The earliest deadline that works, of the ends of the first runs."""
        waiting = self._waiting()
        for want, offers in self._proposed(EARLIEST, waiting, self._refused.bits, self._refused.profiles):
            end = self._earliest(want, sorted({end for end, _ in offers}), _rows(offers))
            if end is not None:
                self._name(want, Constraint.WINDOW, end)

    def _earliest(self, want: Want, ends: list[int], rows: Ints) -> int | None:
        """The first of ``ends`` that works, by bisection: a longer window only adds runs."""
        if self._works(want, Constraint.WINDOW, ends[0], rows):
            return ends[0]
        if len(ends) == 1 or not self._works(want, Constraint.WINDOW, ends[-1], rows):
            return None
        low, high = 0, len(ends) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._works(want, Constraint.WINDOW, ends[middle], rows):
                high = middle
            else:
                low = middle
        return ends[high]

    def _relax(self, constraint: Constraint) -> None:
        """The value of a standing constraint that changes least of those that would let in an offer."""
        by_place: dict[str, list[int]] = defaultdict(list)
        for number in self._waiting():
            if constraint in self._eligibility.asks(self._refused.profiles[number]):
                by_place[_place(self._refused.wants[number], constraint)].append(number)
        for place, numbers in sorted(by_place.items()):
            self._relax_at(constraint, place, numbers)

    def _relax_at(self, constraint: Constraint, place: str, numbers: list[int]) -> None:
        """For wants that name the same place, which matters to a round trip only."""
        facts, relaxable = self._eligibility.facts, RELAXABLE[constraint]
        profiles = dict.fromkeys(self._refused.profiles[number] for number in numbers)
        places = {profile: index for index, profile in enumerate(profiles)}
        bits = np.array([self._eligibility.failing_only(profile, constraint) for profile in profiles])
        among = [places.get(profile, 0) for profile in self._refused.profiles]
        distance = relaxable.distance(facts, place)
        hourly = constraint in HOURLY and facts.hourly.varies
        for want, offers in self._proposed(AFFORDABLE, numbers, bits, among, distance, hourly=hourly):
            values = {row: relaxable.value(facts, place, row) for _, row in offers}
            for value in list(dict.fromkeys(values.values()))[:TRIES]:
                farthest = max(rank for rank, row in offers if values[row] == value)
                let_in = [(rank, row) for rank, row in offers if rank < farthest or values[row] == value]
                if self._works(want, constraint, value, _rows(let_in)):
                    self._name(want, constraint, value)
                    break

    def _works(self, want: Want, constraint: Constraint, value: Value, rows: Ints) -> bool:
        changed = replace(want, alternative=change(want.alternative, constraint, value))
        return self._trial.works(changed, rows)

    def _note_that_it_fits(self, fill: Fill) -> None:
        self.held_back[fill.want.request] = self._trial.held_back_by(fill) or Constraint.CAPACITY

    def _name(self, want: Want, constraint: Constraint, value: Value) -> None:
        self.found[want.request] = Remedy(want.alternative.position, constraint, value)

    def _waiting(self, which: Callable[[Want], bool] = lambda _: True) -> list[int]:
        """Numbers of the wants whose requests have no answer yet."""
        return [
            number
            for number, want in enumerate(self._refused.wants)
            if self._is_waiting(want) and which(want)
        ]

    def _is_waiting(self, want: Want) -> bool:
        return want.request not in self.found and want.request not in self.held_back

    def _proposed(
        self,
        goal: int,
        numbers: list[int],
        bits: Bytes,
        among: Sequence[int] | None = None,
        rank: Ints | None = None,
        *,
        hourly: bool = False,
    ) -> Iterator[tuple[Want, Offers]]:
        """The wants for which any offer is promising, unless their request got an answer meanwhile.

        ``hourly`` is for a change of what is asked of every hour.

        ``bits[among[n]]`` are the offers in which want n may look; without ``among`` it is ``bits[n]``.
        """
        chosen = np.zeros(len(self._refused.wants), dtype=np.bool_)
        chosen[numbers] = True
        shapes = np.flatnonzero(chosen[self._shapes.want])
        if goal == LARGEST:
            shapes = shapes[self._of_different_length(shapes)]
        want_of = self._shapes.want[shapes]
        sought = Sought(
            shapes=shapes,
            among=want_of if among is None else np.array(among, dtype=np.int64)[want_of],
            bits=bits,
            rank=np.zeros_like(self._eligibility.facts.minimum) if rank is None else rank,
            goal=goal,
            whatever_power=hourly,
        )
        found = self._shop.promising(self._shapes, sought)
        offers: dict[int, Offers] = defaultdict(list)
        for place in np.flatnonzero(found.number).tolist():
            number = int(want_of[place])
            count = min(
                int(found.number[place]), MOST if self._refused.wants[number].alternative.gang else FEW
            )
            ranked = zip(found.rank[place, :count].tolist(), found.row[place, :count].tolist(), strict=True)
            offers[number].extend(ranked)
        for number, some in offers.items():
            want = self._refused.wants[number]
            if self._is_waiting(want):
                yield want, sorted(dict.fromkeys(some), key=lambda offer: offer[0])

    def _of_different_length(self, shapes: Ints) -> Ints:
        """Places of one shape for each want and length: how many cards are enough does not matter."""
        lengths = np.stack((self._shapes.want[shapes], self._shapes.slots[shapes]))
        return np.sort(np.unique(lengths, axis=1, return_index=True)[1])


def _rows(offers: Offers) -> Ints:
    return np.array(sorted({row for _, row in offers}), dtype=np.int64)


def _place(want: Want, constraint: Constraint) -> str:
    latency = want.alternative.latency
    return latency.place if constraint is Constraint.LATENCY and latency is not None else ""
