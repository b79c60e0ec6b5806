"""Why a matched request got what it got: what it pays and saves, and what would have done as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.functional import cached_property

from marketplace.clearing.models import Allocation, Explanation
from marketplace.clearing.quote import problems, quotes
from marketplace.clearing.quote_book import QuotesInPreparation
from marketplace.clearing.quote_panel import Named, Shown
from marketplace.clock import next_hour
from marketplace.demand import words
from marketplace.demand.changing import input_of
from marketplace.demand.models import ComputeRequest
from marketplace.demand.rules import RequestInput


@dataclass(frozen=True)
class Why:
    """``allocations`` are those of one run, of one alternative of the request. Money is in its currency."""

    request: ComputeRequest
    explanation: Explanation
    allocations: Sequence[Allocation]

    @property
    def alternative(self) -> int:
        """Which of the alternatives was taken, counted from 1."""
        positions = [each.position for each in self.request.alternatives.all()]
        return positions.index(self.allocations[0].alternative.position) + 1

    @property
    def alternatives(self) -> int:
        return len(self.request.alternatives.all())

    @property
    def limit(self) -> str:
        return words.limit(self.allocations[0].alternative, self.request.currency)

    @property
    def unit(self) -> str:
        return words.unit_of_price(self.allocations[0].alternative)

    @cached_property
    def total(self) -> Decimal:
        return sum((sum(each.prices) * each.cards * each.fx_rate for each in self.allocations), Decimal(0))

    @property
    def price(self) -> Decimal | None:
        """Of a unit and hour; ``None`` where only a part of an amount in nP was matched."""
        wanted = self.allocations[0].alternative
        if self.unit == "card-h":
            return self.total / sum(each.cards * len(each.prices) for each in self.allocations)
        matched = self.explanation.outcome == Explanation.Outcome.MATCHED
        return self.total / (wanted.amount * wanted.hours) if matched else None

    @property
    def saved(self) -> Decimal | None:
        """What is paid less than the buyer would have paid at most for all of it."""
        if self.explanation.outcome != Explanation.Outcome.MATCHED:
            return None
        return words.most_to_pay(self.allocations[0].alternative) - self.total

    @property
    def offers_left(self) -> int | None:
        """How many offers met everything that was asked."""
        position = self.allocations[0].alternative.position
        for funnel in self.explanation.details["funnels"]:
            if funnel["alternative"] == position:
                return int(funnel["offers"]) - sum(int(removed) for _, removed in funnel["removed"])
        return None


def why(explanation: Explanation, request: ComputeRequest, allocations: Sequence[Allocation]) -> Why | None:
    return Why(request, explanation, allocations) if allocations else None


def runners_up(reason: Why, *, now: datetime) -> Sequence[Mapping[str, object]]:
    """Products that would do as well, at their prices now; nothing once its hours are over."""
    asked = input_of(reason.request, start=next_hour(now))
    if reason.allocations[0].ends_at <= now or asked.under is not None or dict(problems(asked, now=now)):
        return []
    taken = {
        (each.offer.fleet.model.slug, each.offer.fleet.site.region.zone.slug) for each in reason.allocations
    }
    return [each for each in _products(asked, now) if (each["model"], each["zone_slug"]) not in taken]


def _products(asked: RequestInput, now: datetime) -> Sequence[Mapping[str, object]]:
    try:
        found = quotes(asked, now=now)
    except QuotesInPreparation:
        return []
    names = Named()
    return [
        product
        for quote, given in zip(found.alternatives, asked.alternatives, strict=True)
        if quote is not None
        for product in Shown(quote, asked.currency, given, names).products()
    ]
