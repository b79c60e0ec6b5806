"""What will be created of a plan, before anything is: the offers, and the hours that cannot be listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain

from marketplace.clock import HOUR
from marketplace.supply import rules
from marketplace.supply.fleet_hours import FleetHours, fleet_hours
from marketplace.supply.models import Fleet, Offer
from marketplace.supply.plan import PlannedHour, Terms, offers_of
from marketplace.supply.rules import OfferInput


@dataclass(frozen=True, slots=True)
class Preview:
    """``clashes`` are hours for which the fleet has no cards left, with the offers that hold them.

    ``past`` hours have begun and are left out. ``problem`` is the first that keeps the offers from being
    listed.
    """

    planned: Mapping[datetime, PlannedHour]
    offers: Sequence[OfferInput]
    clashes: Sequence[datetime]
    clashing: Sequence[Offer]
    left_out: int
    past: int
    problem: str

    @property
    def hours(self) -> int:
        return len(self.planned)

    @property
    def card_hours(self) -> int:
        return sum(hour.cards for hour in self.planned.values())

    @property
    def fewest_cards(self) -> int:
        return min(hour.cards for hour in self.planned.values())

    @property
    def most_cards(self) -> int:
        return max(hour.cards for hour in self.planned.values())

    @property
    def asks(self) -> Sequence[Decimal]:
        """The different asks, the highest first."""
        return sorted({hour.ask for hour in self.planned.values()}, reverse=True)

    @property
    def least_income(self) -> Decimal:
        """What all of it earns where every hour is sold at its ask."""
        return sum((hour.cards * hour.ask for hour in self.planned.values()), Decimal(0))

    @property
    def may_be_listed(self) -> bool:
        return bool(self.offers) and not self.clashes and not self.problem


def preview(
    fleet: Fleet, planned: Mapping[datetime, PlannedHour], terms: Terms, *, now: datetime, leave_out: bool
) -> Preview:
    """``leave_out`` says that hours which clash are not to be listed."""
    ahead = {slot: hour for slot, hour in planned.items() if slot >= now}
    book = _book(fleet, ahead)
    clashes = sorted(slot for slot, hour in ahead.items() if not book.is_free_for(hour.cards, slot))
    clashing = {offer.pk: offer for slot in clashes for offer in book.offers[slot]}
    kept = {slot: hour for slot, hour in ahead.items() if slot not in set(clashes)} if leave_out else ahead
    offers = offers_of(kept, terms)
    return Preview(
        planned=kept,
        offers=offers,
        clashes=() if leave_out else clashes,
        clashing=[clashing[pk] for pk in sorted(clashing)],
        left_out=len(clashes) if leave_out else 0,
        past=len(planned) - len(ahead),
        problem=_first_problem(offers, fleet),
    )


def _book(fleet: Fleet, planned: Mapping[datetime, PlannedHour]) -> FleetHours:
    if not planned:
        return FleetHours(fleet.cards, {}, {}, {})
    return fleet_hours(fleet, min(planned), max(planned) + HOUR)


def _first_problem(offers: Sequence[OfferInput], fleet: Fleet) -> str:
    problems = chain.from_iterable(rules.offer_problems(offer, fleet) for offer in offers)
    return next((problem for _, problem in problems), "")
