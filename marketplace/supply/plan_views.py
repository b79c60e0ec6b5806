"""The calendar on which an owner draws a month of offers."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.models import Organisation
from accounts.pages import with_organisation
from accounts.requests import PageRequest, id_in
from marketplace.clock import market_now
from marketplace.errors import DomainError
from marketplace.supply import services
from marketplace.supply.models import Fleet, OfferBatch
from marketplace.supply.month import drawing, today_in
from marketplace.supply.plan import planned_hours
from marketplace.supply.plan_forms import Plan, plan_in
from marketplace.supply.plan_preview import Preview, preview
from marketplace.supply.selectors import fleets_for
from marketplace.web.access import require_trader
from marketplace.web.listing import refused

MOST_FLEETS = 500
# What a confirmed plan sends along: all of the address but what only the next block needs.
OF_THE_TERMS = ("day_begins", "day_ends", "lot", "minimum_hours", "notice_minutes")
KEPT = frozenset({"fleet", "month", "block", "leave_out", *OF_THE_TERMS})


@with_organisation
@require_http_methods(["GET", "POST"])
def calendar(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """Opened and drawn on by GET: all of the plan is in the address. POST lists what was drawn."""
    require_trader(request, organisation, Organisation.Kind.OWNER)
    query = request.POST if request.method == "POST" else request.GET
    fleets = list(
        fleets_for(request.viewer)
        .filter(site__owner=organisation)
        .order_by("site__name_en", "model__name", "pk")[:MOST_FLEETS]
    )
    fleet = _chosen(request, organisation, query, fleets)
    if fleet is None:
        return render(request, "supply/calendar.html", {"fleets": fleets})
    plan = plan_in(query, fleet, today_in(_zone(fleet), market_now()))
    step = query.get("do", "")
    if step and request.method == "GET" and (step != "add" or plan.brush.is_valid()):
        return _go_on(plan, step)
    return _show(request, organisation, plan, fleets)


def _chosen(
    request: PageRequest, organisation: Organisation, query: QueryDict, fleets: list[Fleet]
) -> Fleet | None:
    named = id_in(query.get("fleet", ""))
    if named is None:
        return fleets[0] if fleets else None
    return fleets_for(request.viewer).filter(site__owner=organisation, pk=named).first()


def _zone(fleet: Fleet) -> ZoneInfo:
    return ZoneInfo(fleet.site.region.time_zone)


def _go_on(plan: Plan, step: str) -> HttpResponse:
    try:
        query = plan.after(step)
    except ValueError:
        query = plan.after("")
    return redirect(f"{reverse('supply:calendar')}?{query.urlencode()}")


def _show(request: PageRequest, organisation: Organisation, plan: Plan, fleets: list[Fleet]) -> HttpResponse:
    context = _context(plan, fleets)
    if request.method != "POST":
        return render(request, "supply/calendar.html", context | {"key": uuid4()})
    key = _key(request.POST.get("key", ""))
    batch = OfferBatch.objects.filter(owner=organisation, key=key).first()
    refusal = ""
    seen: Preview = context["preview"]
    if batch is None and seen.may_be_listed and plan.terms_form.is_valid():
        try:
            batch = _list(request, organisation, plan, seen, key)
        except DomainError as error:
            refusal = _said(error)
    if batch is not None:
        return redirect(f"{reverse('supply:offers')}?batch={batch.pk}")
    return refused(request, "supply/calendar.html", context | {"key": key, "refusal": refusal})


def _said(error: DomainError) -> str:
    return " ".join([error.message, *getattr(error, "fields", {}).values()])


def _list(
    request: PageRequest, organisation: Organisation, plan: Plan, seen: Preview, key: UUID
) -> OfferBatch:
    batch = services.list_offers(
        viewer=request.viewer,
        owner=organisation,
        offers=[(plan.fleet, offer) for offer in seen.offers],
        key=key,
        now=market_now(),
    )
    count = len(seen.offers)
    said = ngettext("%(count)s offer is on the market.", "%(count)s offers are on the market.", count)
    messages.success(request, said % {"count": count})
    return batch


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


def _context(plan: Plan, fleets: list[Fleet]) -> dict[str, Any]:
    now = market_now()
    planned = planned_hours(plan.blocks, plan.zone, plan.day)
    seen = preview(plan.fleet, planned, plan.terms, now=now, leave_out=plan.leave_out)
    kept = [(name, value) for name, values in plan.query.lists() for value in values if name in KEPT]
    return {
        "plan": plan,
        "preview": seen,
        "drawing": drawing(plan.fleet, plan.month, plan.zone, seen.planned, now=now),
        "fleet": plan.fleet,
        "fleets": fleets,
        "currency": plan.fleet.site.region.zone.currency,
        "zone": plan.zone.key,
        "kept": kept,
    }
