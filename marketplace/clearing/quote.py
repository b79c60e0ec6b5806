"""What a request that somebody is still writing would cost now, without a run.

It says what could be had if nobody else were asking, at the prices of the last run: the market run decides
who gets it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from marketplace import engine
from marketplace.clearing import wording
from marketplace.clearing.quote_book import Prepared, current
from marketplace.clearing.results import from_micro
from marketplace.clearing.snapshot.demand import alternative_of
from marketplace.clearing.snapshot.units import micro
from marketplace.clock import HOUR, next_hour
from marketplace.demand.names import Names
from marketplace.demand.rules import AlternativeInput, RequestInput, request_problems


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fill costs in all and per unit and hour, in the request's currency.

    ``share`` is the part of what is wanted that it fills; 1 is all.
    """

    total: Decimal
    unit: Decimal
    share: Decimal
    starts_at: datetime
    hours: int
    within_limit: bool


class Removed(NamedTuple):
    constraint: str
    offers: int


@dataclass(frozen=True, slots=True)
class Product:
    """A product that could serve it: at how many sites, and from what price per unit and hour."""

    model: str
    zone: str
    sites: int
    unit: Decimal


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely the next run matches it, judged from the depth of the book.

    ``cover`` is how often what there is within the limit holds what is asked for. After ``left`` of the last
    ``runs`` enough of it would have been left by others.
    """

    cover: Decimal
    runs: int
    left: int

    @property
    def probability(self) -> Decimal | None:
        """By the rule of succession, so that few runs never make certain; ``None`` where there are none."""
        return Decimal(self.left + 1) / (self.runs + 2) if self.runs else None


@dataclass(frozen=True, slots=True)
class Dropped:
    """What would be if one constraint were not asked for; ``cost`` is ``None`` where it would not help."""

    constraint: str
    cost: Cost | None
    more_offers: int
    more_sites: int


@dataclass(frozen=True, slots=True)
class Quote:
    """One alternative: how many offers, sites and zones could serve it, and the cheapest way to have it.

    ``removed`` are the offers that each constraint takes away of those that the ones before it left;
    ``unit_name`` is what ``Cost.unit`` is for. ``products`` are the cheapest of those that would do.
    """

    market: int
    removed: tuple[Removed, ...]
    offers: int
    sites: int
    zones: int
    unit_name: str
    cost: Cost | None
    chance: Chance | None
    products: tuple[Product, ...]
    without: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class Quotes:
    """Quotes of a market at a moment, in the order of the alternatives.

    ``None`` stands for an alternative that is not part of the market yet: it does not fit into its hours,
    or there is no exchange rate of its currency.
    """

    at: datetime
    alternatives: tuple[Quote | None, ...]


def quotes(request: RequestInput, *, now: datetime) -> Quotes:
    """A quote for each alternative; ``QuotesInPreparation`` where the market has not been read yet."""
    prepared, at = current()
    found = (_quote(request, given, prepared, now) for given in request.alternatives)
    return Quotes(at, tuple(found))


def _quote(request: RequestInput, given: AlternativeInput, prepared: Prepared, now: datetime) -> Quote | None:
    alternative = alternative_of(
        # The book may be of an hour that has passed since.
        replace(given, earliest_start=max(given.earliest_start, next_hour(now))),
        prepared.window,
        position=0,
        models=given.accelerator_models,
        stacks=given.stacks,
        near=given.near,
    )
    if alternative is None or request.currency not in prepared.book.bases:
        return None
    asked = engine.Request(
        id=0,
        buyer=0,
        currency=request.currency,
        least=micro(request.least_share, ROUND_CEILING),
        entered=0,
        alternatives=(alternative,),
    )
    (found,) = engine.quote(prepared.book, asked)
    work = alternative.amount * (alternative.duration if alternative.divisible else 1)

    def told(cost: engine.Cost | None) -> Cost | None:
        return None if cost is None else _told(cost, work, prepared.start)

    return Quote(
        market=found.funnel.offers,
        removed=tuple(Removed(constraint.value, count) for constraint, count in found.funnel.removed),
        offers=found.offers,
        sites=found.sites,
        zones=found.zones,
        unit_name=wording.UNIT_NAMES[alternative.unit],
        cost=told(found.cost),
        chance=_chance(found.depth),
        products=tuple(
            Product(*each.product[:2], each.sites, from_micro(each.unit)) for each in found.products
        ),
        without=tuple(
            Dropped(each.constraint.value, told(each.cost), each.offers, each.sites) for each in found.without
        ),
    )


def _chance(depth: engine.Depth | None) -> Chance | None:
    if depth is None:
        return None
    return Chance(Decimal(depth.there) / depth.needed, depth.runs, depth.left)


def _told(cost: engine.Cost, work: int, start: datetime) -> Cost:
    return Cost(
        total=from_micro(cost.paid),
        unit=from_micro(cost.unit),
        share=Decimal(cost.filled) / work,
        starts_at=start + cost.first_slot * HOUR,
        hours=cost.slots,
        within_limit=cost.within_limit,
    )


def problems(request: RequestInput, *, now: datetime) -> list[tuple[str, str]]:
    """Fields and what is wrong with them. A title is not needed for a quote."""
    found = request_problems(request, Names.load(), now)
    return [(name, text) for name, text in found if name != "title"]
