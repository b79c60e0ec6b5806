"""Pages of owners: sites and fleets, offers, and what is left of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import refusals_on, with_organisation
from accounts.requests import PageRequest, id_in
from marketplace.clock import HOUR, floor_hour, market_now, next_hour
from marketplace.supply import services
from marketplace.supply.forms import (
    AmendForm,
    FleetForm,
    OfferFilter,
    OfferForm,
    PowerCapForm,
    ResizeForm,
    SiteForm,
)
from marketplace.supply.models import Fleet, OfferHour, Site
from marketplace.supply.presentation import (
    line_of,
    page_at,
    rows_of_book,
    rows_of_fleets,
    spans_of,
    sums,
    window_start,
)
from marketplace.supply.selectors import (
    Facts,
    fleets_for,
    fresh_round_trips,
    off_the_market,
    offer_book,
    offers_for,
    sites_for,
    with_card_hours_sold,
)
from marketplace.supply.tables import OFFERS, SITES
from marketplace.supply.utilisation import ahead, offers_between, sold_spans
from marketplace.terms.selectors import can_be_reserved_for
from marketplace.web.access import may, may_trade_as, require_trader
from marketplace.web.fields import posted
from marketplace.web.listing import page_of, refused
from marketplace.web.tables import as_it_is, show

DAY, WEEK = 24, 168


@login_required
@require_safe
def sites(request: PageRequest) -> HttpResponseBase:
    rows = sites_for(request.viewer)
    now = market_now()
    context = {
        "sites": rows.count(),
        "fleets": fleets_for(request.viewer).count(),
        "ahead": ahead(fleets_for(request.viewer), start=next_hour(now), hours=DAY),
        "may_list": may_trade_as(request, Organisation.Kind.OWNER),
    }
    return show(request, SITES, rows, "supply/sites.html", context, line=as_it_is)


@login_required
@require_safe
def site(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    return render(request, "supply/site.html", _site_context(request, shown))


def _site_context(request: PageRequest, shown: Site) -> Mapping[str, Any]:
    start = floor_hour(market_now())
    fleets = fleets_for(request.viewer).filter(site=shown).order_by("pk")
    offers = offers_between(list(fleets), start, start + WEEK * HOUR)
    hours = OfferHour.objects.filter(offer__fleet__site=shown, slot__gte=start, slot__lt=start + WEEK * HOUR)
    return {
        "site": shown,
        "round_trips": fresh_round_trips(market_now()).filter(site=shown).select_related("region"),
        "silent_sites": [shown] if shown.agent_silent_since else [],
        "fleets": fleets,
        "week": ahead(fleets, start=start, hours=WEEK),
        "rows": rows_of_fleets(fleets, offers, sold_spans(hours)),
        "start": start,
        "may_list": may(request, Capability.TRADE, shown.owner_id),
    }


@with_organisation
@require_http_methods(["GET", "POST"])
def new_site(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.OWNER)
    form = SiteForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            created = services.create_site(
                viewer=request.viewer, organisation=organisation, site=form.site(), now=market_now()
            )
            messages.success(
                request, _("%(site)s is registered. Add what is installed there.") % {"site": created}
            )
            return redirect("supply:new_fleet", created.pk)
    return _form(request, "supply/new_site.html", form, {})


@login_required
@require_http_methods(["GET", "POST"])
def new_fleet(request: PageRequest, pk: int) -> HttpResponse:
    at = get_object_or_404(sites_for(request.viewer), pk=pk)
    request.viewer.require(Capability.TRADE, at.owner_id)
    form = FleetForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            services.create_fleet(viewer=request.viewer, site=at, fleet=form.fleet(), now=market_now())
            messages.success(request, _("The fleet is registered. It earns once you offer it."))
            return redirect("supply:site", at.pk)
    return _form(request, "supply/new_fleet.html", form, {"site": at})


@login_required
@require_http_methods(["GET", "POST"])
def power_cap(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    request.viewer.require(Capability.TRADE, shown.owner_id)
    form = PowerCapForm(posted(request), initial={"power_cap_kw": shown.power_cap_kw})
    if form.is_valid():
        kilowatts = form.cleaned_data["power_cap_kw"]
        with refusals_on(form):
            services.set_power_cap(viewer=request.viewer, site=shown, kilowatts=kilowatts, now=market_now())
            messages.success(request, _("The power cap holds from the next market run on."))
            return redirect("supply:site", shown.pk)
    return _form(request, "supply/power_cap.html", form, {"site": shown})


@login_required
@require_http_methods(["GET", "POST"])
def resize_fleet(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(fleets_for(request.viewer), pk=pk)
    request.viewer.require(Capability.TRADE, shown.site.owner_id)
    form = ResizeForm(posted(request), initial={"cards": shown.cards})
    if form.is_valid():
        cards = form.cleaned_data["cards"]
        with refusals_on(form):
            services.resize_fleet(viewer=request.viewer, fleet=shown, cards=cards, now=market_now())
            messages.success(request, _("The number of cards is changed."))
            return redirect("supply:site", shown.site.pk)
    return _form(request, "supply/resize_fleet.html", form, {"fleet": shown})


@login_required
@require_safe
def offers(request: PageRequest) -> HttpResponseBase:
    now = market_now()
    choice = OfferFilter(request.GET, sites=sites_for(request.viewer).order_by("name_en"))
    rows = choice.of(offers_for(request.viewer), now)
    context = {
        "filter": choice,
        "silent_sites": off_the_market(request.viewer),
        "ahead": ahead(fleets_for(request.viewer), start=next_hour(now), hours=DAY),
        "may_list": may_trade_as(request, Organisation.Kind.OWNER),
    }
    return show(request, OFFERS, rows, "supply/offers.html", context, line=lambda offer: line_of(offer, now))


@login_required
@require_safe
def offer(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(with_card_hours_sold(offers_for(request.viewer)), pk=pk)
    now = market_now()
    book = offer_book(shown)
    context = {
        "offer": shown,
        "waits_for": Facts.at(now).missing_for(shown),
        "line": line_of(shown, now),
        "sums": sums(book, now),
        "page": page_of(request, book, DAY, first=page_at(shown, now, DAY)),
        "rows": rows_of_book(book),
        "start": window_start(shown, now),
        "hours": WEEK,
        "sales": shown.allocations.select_related("agreement__buyer", "agreement__delivery").order_by("-pk"),
        **spans_of(shown),
        "may_change": may(request, Capability.TRADE, shown.fleet.site.owner_id),
    }
    return render(request, "supply/offer.html", context)


@with_organisation
@require_http_methods(["GET", "POST"])
def new_offer(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.OWNER)
    mine = request.viewer.organisations_with(Capability.TRADE)
    fleets = fleets_for(request.viewer).filter(site__owner__in=mine)
    agreements = list(can_be_reserved_for(organisation, now=market_now()))
    form = OfferForm(
        posted(request), fleets=fleets, agreements=agreements, initial=_offer_initial(request, fleets)
    )
    if form.is_valid():
        with refusals_on(form):
            fleet: Fleet = form.cleaned_data["fleet"]
            created = services.create_offer(
                viewer=request.viewer,
                fleet=fleet,
                offer=form.offer(),
                now=market_now(),
                reserved_for=form.cleaned_data["reserved_for"],
            )
            messages.success(request, _("%(offer)s is on the market.") % {"offer": created})
            return redirect("supply:offer", created.pk)
    context = {"has_fleets": fleets.exists(), "has_agreements": bool(agreements)}
    return _form(request, "supply/new_offer.html", form, context)


def _offer_initial(request: PageRequest, fleets: QuerySet[Fleet]) -> dict[str, Any]:
    start = next_hour(market_now())
    reserved_for = id_in(request.GET.get("reserved_for", ""))
    initial: dict[str, Any] = {
        "starts_at": start,
        "ends_at": start + DAY * HOUR,
        "reserved_for": reserved_for,
    }
    fleet = fleets.filter(pk=id_in(request.GET.get("fleet", "")) or 0).first()
    if fleet is not None:
        initial |= {"fleet": fleet.pk, "cards": fleet.cards, "lot": fleet.node_size}
    return initial


@login_required
@require_http_methods(["GET", "POST"])
def amend_offer(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(offers_for(request.viewer), pk=pk)
    request.viewer.require(Capability.TRADE, shown.fleet.site.owner_id)
    form = AmendForm(posted(request), offer=shown)
    if form.is_valid():
        with refusals_on(form):
            services.amend_offer(viewer=request.viewer, offer=shown, change=form.change(), now=market_now())
            messages.success(request, _("The ask of %(offer)s is changed.") % {"offer": shown})
            return redirect("supply:offer", shown.pk)
    return _form(request, "supply/amend_offer.html", form, {"offer": shown})


@login_required
@require_POST
def withdraw_offer(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(offers_for(request.viewer), pk=pk)
    services.withdraw_offer(viewer=request.viewer, offer=shown, now=market_now())
    messages.success(request, _("%(offer)s is withdrawn. What was sold stays sold.") % {"offer": shown})
    return redirect("supply:offer", shown.pk)


def _form(request: PageRequest, template: str, form: Any, context: Mapping[str, Any]) -> HttpResponse:
    shown = {**context, "form": form}
    return refused(request, template, shown) if form.errors else render(request, template, shown)
