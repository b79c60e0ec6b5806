"""Pages of agreements, the same for both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet, Sum
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest
from marketplace.agreements.forms import AgreementFilter
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import agreements_for, placed_for
from marketplace.agreements.terms import dispute_days, service_level
from marketplace.clock import HOUR, market_now
from marketplace.web.listing import Column, Listing, page_of, show

HOURS_A_PAGE = 24

AGREEMENTS: Listing[Agreement, Agreement] = Listing(
    name="cardhour-agreements",
    template="agreements/agreements.html",
    columns=(
        Column(_("Agreement"), lambda row: row.pk),
        Column(_("Buyer"), lambda row: row.buyer),
        Column(_("Owner"), lambda row: row.owner),
        Column(_("Model"), lambda row: row.allocation.offer.fleet.model),
        Column(_("Site"), lambda row: row.allocation.offer.fleet.site),
        Column(_("Cards"), lambda row: row.cards),
        Column(_("From"), lambda row: row.starts_at),
        Column(_("Until"), lambda row: row.ends_at),
        Column(_("Committed, card-h"), lambda row: row.card_hours),
        Column(_("Price per card-h"), lambda row: row.average_price),
        Column(_("Value"), lambda row: row.value),
        Column(_("Currency"), lambda row: row.currency),
        Column(_("Concluded"), lambda row: row.concluded_at),
    ),
    keys={
        "agreement": "pk",
        "buyer": "buyer__name_en",
        "owner": "owner__name_en",
        "model": "allocation__offer__fleet__model__name",
        "cards": "cards",
        "from": "starts_at",
        "quantity": "card_hours",
        "value": "value",
    },
    default="-agreement",
)


@login_required
@require_safe
def agreements(request: PageRequest) -> HttpResponseBase:
    choice = AgreementFilter(request.GET)
    mine = request.viewer.organisations_with(Capability.READ)
    everything = placed_for(request.viewer).select_related("delivery")
    rows = choice.of(everything, mine=mine, now=market_now())
    context = {
        "filter": choice,
        "all": totals(everything),
        "totals": totals(rows),
        "under_way": everything.filter(starts_at__lte=market_now(), ends_at__gt=market_now()).count(),
    }
    return show(request, AGREEMENTS, rows, context, line=_with_price)


def _with_price(agreement: Agreement) -> Agreement:
    agreement.price = agreement.average_price  # type: ignore[attr-defined]
    return agreement


def totals(rows: QuerySet[Agreement]) -> Sequence[dict[str, Any]]:
    """How many agreements, over how many card-hours, worth how much, in each currency."""
    sums = rows.order_by("currency").values("currency")
    return [
        dict(row) for row in sums.annotate(count=Count("pk"), quantity=Sum("card_hours"), worth=Sum("value"))
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
