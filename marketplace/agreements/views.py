"""Pages of agreements, the same for both sides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest
from marketplace.agreements.forms import AgreementFilter
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import agreements_for, placed_for
from marketplace.agreements.tables import AGREEMENTS
from marketplace.agreements.terms import dispute_days, service_level
from marketplace.clock import HOUR, market_now
from marketplace.web.listing import page_of
from marketplace.web.tables import as_it_is, show

HOURS_A_PAGE = 24


@login_required
@require_safe
def agreements(request: PageRequest) -> HttpResponseBase:
    choice, now = AgreementFilter(request.GET), market_now()
    mine = request.viewer.organisations_with(Capability.READ)
    everything = placed_for(request.viewer)
    rows = choice.of(everything, mine=mine, now=now)
    sums = totals(everything, now)
    context = {"filter": choice, "all": sums, "under_way": sum(each["under_way"] for each in sums)}
    return show(request, AGREEMENTS, rows, "agreements/agreements.html", context, line=as_it_is)


def totals(rows: QuerySet[Agreement], now: datetime) -> Sequence[dict[str, Any]]:
    """How many agreements, over how many card-hours, worth how much, and under way now, in each currency."""
    under_way = Q(starts_at__lte=now, ends_at__gt=now)
    sums = rows.order_by("currency").values("currency")
    return [
        dict(row)
        for row in sums.annotate(
            count=Count("pk"),
            quantity=Sum("card_hours"),
            worth=Sum("value"),
            under_way=Count("pk", filter=under_way),
        )
    ]


@login_required
@require_safe
def agreement(request: PageRequest, pk: int) -> HttpResponse:
    """What was placed; charges and documents link to a term agreement by this address as well."""
    shown = get_object_or_404(agreements_for(request.viewer).select_related("delivery"), pk=pk)
    if shown.kind == Agreement.Kind.TERM:
        return redirect("agreements:term", shown.term_id)
    slots = [
        {"slot": shown.starts_at + number * HOUR, "price": price, "value": price * shown.cards}
        for number, price in enumerate(shown.allocation.prices)
    ]
    context = {
        "agreement": shown,
        "average": shown.average_price,
        "prices": [slot["price"] for slot in slots],
        "page": page_of(request, slots, HOURS_A_PAGE),
        "span": shown.ends_at - shown.starts_at,
        "origin": _origin(request, shown),
        "dispute_days": dispute_days(shown.terms),
        "promise": service_level(shown.terms),
    }
    return render(request, "agreements/agreement.html", context)


def _origin(request: PageRequest, agreement: Agreement) -> dict[str, str]:
    """Where the request, the offer and the run are shown, to those who may see them."""
    allocation = agreement.allocation
    origin = {"run": reverse("clearing:run", args=[allocation.run_id])}
    if request.viewer.may(Capability.READ, agreement.buyer_id):
        origin["request"] = reverse("demand:request", args=[allocation.request_id])
    if request.viewer.may(Capability.READ, agreement.owner_id):
        origin["offer"] = reverse("supply:offer", args=[allocation.offer_id])
    return origin
