"""The front page: the market for everybody, and for members first what their organisation waits for.

It reads from every slice, so it belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from accounts.requests import PageRequest
from billing.rating.selectors import charges_for, totals_of
from marketplace.agreements.selectors import placed_for
from marketplace.audit.selectors import default_window, utilisation
from marketplace.catalogue.models import WorkloadClass
from marketplace.clearing.board import market_board
from marketplace.clearing.models import Explanation
from marketplace.clearing.selectors import explanations_for
from marketplace.clearing.views import board_context
from marketplace.clock import HOUR, floor_hour, market_now, next_hour
from marketplace.demand.models import ComputeRequest
from marketplace.demand.selectors import requests_for
from marketplace.supply.models import Offer, OfferHour
from marketplace.supply.selectors import fleets_for, off_the_market, offers_for
from marketplace.supply.utilisation import ahead
from marketplace.web.navigation import resolve

SHOWN = 5
A_DAY = 24


@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Anonymous readers see the market; members their organisation's morning; auditors the utilisation."""
    organisation = request.organisation
    if not organisation:
        if request.viewer.sees_everything:
            return redirect("audit:overview")
        return render(request, "home/market.html", board_context(request))
    now = market_now()
    mine = only_for(request.viewer, organisation)
    if organisation.kind == Organisation.Kind.OWNER:
        return render(request, "home/owner.html", owner_context(mine, organisation, now=now))
    return render(request, "home/buyer.html", buyer_context(mine, organisation, now=now))


def only_for(viewer: Viewer, organisation: Organisation) -> Viewer:
    """The viewer as a member of one organisation and nothing else."""
    return Viewer(viewer.actor, {organisation.pk: viewer.capabilities[organisation.pk]})


def buyer_context(viewer: Viewer, organisation: Organisation, *, now: datetime) -> dict[str, Any]:
    requests = requests_for(viewer).filter(state=ComputeRequest.State.OPEN)
    agreements = placed_for(viewer).filter(buyer=organisation, ends_at__gt=now)
    return {
        "organisation": organisation,
        "requests": requests[:SHOWN],
        "requests_open": requests.count(),
        "explanations": _last_answers(viewer),
        "agreements": agreements[:SHOWN],
        "agreements_active": agreements.count(),
        "may_ask": viewer.may(Capability.TRADE, organisation.pk),
        "links": _links("demand:create", "demand:requests", "agreements:list"),
    }


def _last_answers(viewer: Viewer) -> Sequence[Explanation]:
    """The newest explanation of each of the requests that were answered last."""
    recent = explanations_for(viewer).defer("details")[: 10 * SHOWN]
    newest = {answer.request_id: answer for answer in reversed(recent)}
    return sorted(newest.values(), key=lambda answer: (-answer.run_id, answer.request_id))[:SHOWN]


def owner_context(viewer: Viewer, organisation: Organisation, *, now: datetime) -> dict[str, Any]:
    start, end = default_window(now=now, hours=A_DAY)
    fleets = fleets_for(viewer)
    return {
        "organisation": organisation,
        "earned": list(totals_of(charges_for(viewer).filter(agreement__owner=organisation))),
        "levels": utilisation(viewer, start=start, end=end).total if start < end else None,
        "ahead": ahead(fleets, start=next_hour(now), hours=A_DAY),
        "unsold": unsold(viewer, now=now),
        "silent_sites": off_the_market(viewer),
        "agreements": placed_for(viewer).filter(owner=organisation, ends_at__gt=now)[:SHOWN],
        "may_list": viewer.may(Capability.TRADE, organisation.pk),
        "links": _links("supply:new_offer", "supply:offers", "supply:fleets", "billing:statements"),
    }


@dataclass(frozen=True, slots=True)
class Unsold:
    """What an offer has left for the next day. ``market`` is the highest price its product reached."""

    offer: Offer
    card_hours: int
    ask: Decimal
    market: Decimal | None

    @property
    def is_above_the_market(self) -> bool:
        return self.market is not None and self.ask > self.market


def unsold(viewer: Viewer, *, now: datetime) -> Sequence[Unsold]:
    """The offers with most card-hours left in the next day, each with what its product costs now."""
    start = next_hour(now)
    end = start + A_DAY * HOUR
    hours = OfferHour.objects.filter(slot__gte=start, slot__lt=end)
    offers = (
        offers_for(viewer)
        .filter(state=Offer.State.OPEN, reserved_for=None, starts_at__lt=end, ends_at__gt=start)
        .prefetch_related(Prefetch("hours", queryset=hours))
    )
    lines = market_board(now=now, workload=WorkloadClass.TRAINING).lines
    market = {(line.model, line.zone): line.highest for line in lines}
    left = [_unsold(offer, start, end, market) for offer in offers]
    return sorted((row for row in left if row.card_hours), key=lambda row: -row.card_hours)[:SHOWN]


def _unsold(offer: Offer, start: datetime, end: datetime, market: dict[tuple[str, str], Decimal]) -> Unsold:
    first, last = max(start, floor_hour(offer.starts_at)), min(end, offer.ends_at)
    slots = (last - first) // HOUR
    sold = sum(hour.cards_sold for hour in offer.hours.all())
    product = offer.fleet.model.slug, offer.fleet.site.region.zone.slug
    return Unsold(offer, offer.cards * slots - sold, min(offer.asks), market.get(product))


def _links(*names: str) -> dict[str, str]:
    """Addresses of the pages that are installed, by name with the colon as an underscore."""
    return {name.replace(":", "_"): resolve([name]) for name in names}
