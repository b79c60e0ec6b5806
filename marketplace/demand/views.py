"""Pages of buyers: requests, what became of them, and the requirement builder."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import with_organisation
from accounts.requests import PageRequest, id_in
from marketplace.catalogue.selectors import currencies_with_rate
from marketplace.clock import market_now, next_hour
from marketplace.demand import forms, services, words
from marketplace.demand.changing import input_of, with_change
from marketplace.demand.choices import Groups
from marketplace.demand.filters import RequestFilter
from marketplace.demand.forms import Builder
from marketplace.demand.models import ComputeRequest
from marketplace.demand.presentation import line_of
from marketplace.demand.selectors import requests_for, with_alternatives
from marketplace.demand.tables import REQUESTS
from marketplace.errors import DomainError
from marketplace.web.access import may, may_trade_as, require_trader
from marketplace.web.listing import page_of, refused
from marketplace.web.tables import show

RUNS_A_PAGE = 20


@login_required
@require_safe
def requests(request: PageRequest) -> HttpResponseBase:
    everything = requests_for(request.viewer)
    choice = RequestFilter(request.GET)
    counts = dict(everything.order_by().values_list("state").annotate(Count("pk")))
    context = {
        "filter": choice,
        "counts": counts,
        "all": sum(counts.values()),
        "may_ask": may_trade_as(request, Organisation.Kind.BUYER),
    }
    of_one_buyer = bool(request.organisation and request.organisation.kind == Organisation.Kind.BUYER)
    aside = ("buyer",) if of_one_buyer else ()
    return show(
        request, REQUESTS, choice.of(everything), "demand/requests.html", context, aside=aside, line=line_of
    )


@login_required
@require_safe
def request(request: PageRequest, pk: int) -> HttpResponse:
    """Its reader watches it: while it is open, the page asks again and is loaded anew after a run."""
    shown = get_object_or_404(with_alternatives(requests_for(request.viewer)), pk=pk)
    seen = f"{shown.state}-{shown.explanations.aggregate(last=Max('run'))['last'] or 0}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204) if request.GET.get("seen") == seen else HttpResponseClientRefresh()
    runs = shown.explanations.select_related("run").defer("details", "run__snapshot", "run__result")
    context = {
        "asked": shown,
        "seen": seen,
        "wishes": [words.wish_of(each, shown.currency) for each in shown.alternatives.all()],
        "most": max((words.most_to_pay(each) for each in shown.alternatives.all()), default=None),
        "fill_rule": words.fill_rule(shown),
        "waits_for_rate": shown.currency not in currencies_with_rate(at=market_now()),
        "page": page_of(request, runs.order_by("-run"), RUNS_A_PAGE),
        "agreements": _agreements(shown),
        "may_change": may(request, Capability.TRADE, shown.organisation_id),
    }
    return render(request, "demand/request.html", context)


def _agreements(shown: ComputeRequest) -> QuerySet[Any]:
    return shown.allocations.select_related(
        "agreement__owner",
        "agreement__delivery",
        "offer__fleet__model",
        "offer__fleet__site__region",
    ).order_by("pk")


@with_organisation
@require_http_methods(["GET", "POST"])
def create(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """The builder. ``add`` and ``remove`` rearrange its alternatives, ``restore`` gives back what was typed
    before; none of them enters anything.
    """
    require_trader(request, organisation, Organisation.Kind.BUYER)
    groups = Groups.of(organisation, now=market_now())
    if request.method != "POST":
        return _show(request, _opened(request, groups), groups, is_fresh=not request.GET)
    if {"add", "remove", "restore"} & request.POST.keys():
        return _show(request, Builder.rearranged(request.POST, groups), groups)
    return _enter(request, organisation, Builder.sent(request.POST, groups), groups)


def _enter(
    request: PageRequest, organisation: Organisation, builder: Builder, groups: Groups
) -> HttpResponse:
    if builder.is_valid():
        try:
            created = services.create_request(
                viewer=request.viewer,
                organisation=organisation,
                request=builder.request_input(),
                now=market_now(),
            )
        except DomainError as refusal:
            builder.refuse(refusal)
        else:
            messages.success(request, _("%(request)s is on the market.") % {"request": created})
            return redirect("demand:request", created.pk)
    return refused(request, "demand/create.html", {"builder": builder, "groups": groups})


def _show(request: PageRequest, builder: Builder, groups: Groups, *, is_fresh: bool = False) -> HttpResponse:
    context = {"builder": builder, "groups": groups, "is_fresh": is_fresh}
    return render(request, "demand/create.html", context)


def _opened(request: PageRequest, groups: Groups) -> Builder:
    """Empty, or filled with a request to be asked again and the change that the link names."""
    start = next_hour(market_now())
    source = _source(request)
    if source is None:
        alternatives = [forms.changed(forms.empty_alternative(start), request.GET)]
        under = id_in(request.GET.get("under") or "")
        return Builder.opened({"under": under}, alternatives, groups)
    fields, alternatives = forms.of_request(source)
    return Builder.opened(fields, _asked_again(request, alternatives, start), groups)


def _asked_again(
    request: PageRequest, alternatives: list[dict[str, object]], start: datetime
) -> list[dict[str, object]]:
    position = request.GET.get("alternative", "0")
    chosen = int(position) if position.isdecimal() and len(position) < 3 else 0
    ahead = [forms.still_ahead(each, start) for each in alternatives]
    return [
        forms.changed(each, request.GET) if number == chosen else each for number, each in enumerate(ahead)
    ]


def _source(request: PageRequest) -> ComputeRequest | None:
    """The request that ``?from=`` names, if the reader may see it."""
    number = id_in(request.GET.get("from") or request.GET.get("request") or "")
    if number is None:
        return None
    return get_object_or_404(with_alternatives(requests_for(request.viewer)), pk=number)


@login_required
@require_POST
def change(request: PageRequest, pk: int) -> HttpResponse:
    """The request again with one change, in place of itself: what an explanation offers to press."""
    shown = get_object_or_404(with_alternatives(requests_for(request.viewer)), pk=pk)
    now = market_now()
    place = id_in(request.POST.get("alternative", "")) or 0
    given = {
        name: request.POST.get(name, "")
        for name in request.POST
        if name not in {"csrfmiddlewaretoken", "alternative"}
    }
    changed = with_change(input_of(shown, start=next_hour(now)), place, given)
    created = services.replace_request(viewer=request.viewer, request=shown, changed=changed, now=now)
    messages.success(
        request, _("%(new)s is on the market in place of %(old)s.") % {"new": created, "old": shown}
    )
    return redirect("demand:request", created.pk)


@login_required
@require_POST
def withdraw(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(requests_for(request.viewer), pk=pk)
    services.withdraw_request(viewer=request.viewer, request=shown, now=market_now())
    messages.success(request, _("%(request)s is withdrawn.") % {"request": shown})
    return redirect("demand:request", shown.pk)
