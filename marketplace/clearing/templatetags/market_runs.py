"""What a run says about one request or one offer, for the pages of requests and offers.

Those slices may not import clearing, so their templates ask for it here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from marketplace.catalogue.selectors import names_by_slug
from marketplace.clearing import changes, remedies, wording
from marketplace.clearing.board import next_run_at
from marketplace.clearing.models import Explanation, OfferOutcome
from marketplace.clearing.selectors import offer_outcomes_for, runs
from marketplace.clock import market_now
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer

register = template.Library()


@register.simple_tag
def lost_against(explanation: Explanation, request: ComputeRequest) -> str:
    """The price that the request lost against in the explanation's run, in words."""
    explanation.request = request
    return wording.lost_against(explanation, [each.unit for each in request.alternatives.all()])


@register.simple_tag
def changes_of(explanation: Explanation, request: ComputeRequest) -> list[changes.Change]:
    """What would match the request that the explanation refused, as changes to press."""
    explanation.request = request
    remedy = remedies.remedy(explanation, list(request.alternatives.all()), names_by_slug())
    return changes.changes(request, explanation, remedy, now=market_now())


@register.simple_tag
def funnels_of(explanation: Explanation, request: ComputeRequest) -> list[wording.Funnel]:
    """The offers that each constraint left, for each alternative."""
    explanation.request = request
    return wording.funnels(explanation, list(request.alternatives.all()))


@register.simple_tag
def next_run() -> datetime | None:
    """When the next run is due; ``None`` where it is due already."""
    return next_run_at(runs().first(), now=market_now())


@register.simple_tag
def in_words(outcome: OfferOutcome) -> str:
    return wording.unsold(outcome)


@register.simple_tag(takes_context=True)
def last_outcome(context: dict[str, Any], offer: Offer) -> str:
    """What became of the offer in the last run that it took part in, in words; nothing before the first."""
    outcome = offer_outcomes_for(context["request"].viewer).filter(offer=offer).first()
    return wording.unsold(outcome) if outcome else ""
