"""Pages of deliveries: read by both sides, and what owners and operators do with one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.pages import refusals_on
from accounts.requests import PageRequest
from marketplace.clock import market_now
from marketplace.delivery import services
from marketplace.delivery.forms import DeliveryFilter, EvictionForm, ReasonForm
from marketplace.delivery.models import OVER, Delivery, DeliveryState, DeliveryTransition
from marketplace.delivery.selectors import deliveries_for, measured_profiles, with_steps
from marketplace.delivery.tables import DELIVERIES
from marketplace.errors import NotAllowed
from marketplace.web.fields import posted
from marketplace.web.listing import refused
from marketplace.web.tables import as_it_is, show

PATH = (
    DeliveryState.SCHEDULED,
    DeliveryState.PROVISIONING,
    DeliveryState.ACCEPTING,
    DeliveryState.ACTIVE,
    DeliveryState.ENDED,
)


@login_required
@require_safe
def deliveries(request: PageRequest) -> HttpResponseBase:
    everything = deliveries_for(request.viewer)
    choice = DeliveryFilter(request.GET, deliveries=everything)
    counts = dict(everything.order_by().values_list("state").annotate(Count("pk")))
    context = {"filter": choice, "counts": counts, "all": sum(counts.values())}
    rows = choice.of(everything)
    return show(request, DELIVERIES, rows, "delivery/deliveries.html", context, line=as_it_is)


@login_required
@require_safe
def delivery(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(with_steps(deliveries_for(request.viewer)), pk=pk)
    is_over = shown.state in OVER
    is_owner = services.may_hold(request.viewer, shown)
    context = {
        "delivery": shown,
        "steps": list(_steps(shown)),
        "tests": sorted(shown.tests.all(), key=lambda test: test.at, reverse=True),
        "profiles": measured_profiles(shown.site),
        "sees_request": request.viewer.may(Capability.READ, shown.agreement.buyer_id),
        "replaces": deliveries_for(request.viewer)
        .filter(replacement__request=shown.agreement.allocation.request_id)
        .first(),
        "may_see_access": services.may_see_access(request.viewer, shown),
        "may_suspend": is_owner and shown.active_from is not None and not shown.held and not is_over,
        "may_give_back": is_owner and shown.held,
        "may_evict": (is_owner or request.viewer.is_operator) and not is_over,
    }
    return render(request, "delivery/delivery.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def suspend(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(deliveries_for(request.viewer), pk=pk)
    if not services.may_hold(request.viewer, shown):
        raise NotAllowed(_("Only the owner of the site takes cards away for a time."))
    form = ReasonForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            reason = form.cleaned_data["reason"]
            services.suspend(viewer=request.viewer, delivery=shown, reason=reason, now=market_now())
            messages.success(request, _("%(delivery)s is suspended.") % {"delivery": shown})
            return redirect("delivery:delivery", shown.pk)
    return _form(request, "delivery/suspend.html", shown, form)


@login_required
@require_POST
def give_back(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(deliveries_for(request.viewer), pk=pk)
    services.give_back(viewer=request.viewer, delivery=shown, now=market_now())
    messages.success(request, _("The agent tests the cards. When they pass, the buyer has them again."))
    return redirect("delivery:delivery", shown.pk)


@login_required
@require_POST
def access(request: PageRequest, pk: int) -> HttpResponse:
    """By POST: each look is written down, and none happens by following a link."""
    shown = get_object_or_404(deliveries_for(request.viewer), pk=pk)
    details = services.show_access(viewer=request.viewer, delivery=shown, now=market_now())
    response = render(request, "delivery/access.html", {"delivery": shown, "details": details})
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_http_methods(["GET", "POST"])
def evict(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(deliveries_for(request.viewer), pk=pk)
    if not (services.may_hold(request.viewer, shown) or request.viewer.is_operator):
        raise NotAllowed(_("Only the owner of the site and operators end a delivery before its time."))
    form = EvictionForm(posted(request), names_fault=request.viewer.is_operator)
    if form.is_valid():
        with refusals_on(form):
            services.evict(viewer=request.viewer, delivery=shown, now=market_now(), **form.cleaned_data)
            messages.success(request, _("%(delivery)s is over.") % {"delivery": shown})
            return redirect("delivery:delivery", shown.pk)
    return _form(request, "delivery/evict.html", shown, form)


def _form(request: PageRequest, template: str, delivery: Delivery, form: ReasonForm) -> HttpResponse:
    shown = {"delivery": delivery, "form": form}
    return refused(request, template, shown) if form.errors else render(request, template, shown)


def _steps(delivery: Delivery) -> Iterator[dict[str, Any]]:
    """What has happened, and what comes next where nothing has failed."""
    taken = list(delivery.transitions.all())
    yield {"title": DeliveryState.SCHEDULED.label, "tone": "done", "step": None, "at": None}
    for step in taken:
        yield {
            "title": _title(step),
            "tone": _tone(step, taken[-1]),
            "step": step,
            "at": step.at,
            "reason": step.report.get("reason", ""),
            "actor": _actor(step),
            "report": json.dumps(step.report, indent=2, ensure_ascii=False) if step.report else "",
        }
    if delivery.state not in OVER:
        # What is suspended is where it was before it began: the test is next.
        reached = DeliveryState.PROVISIONING if delivery.state == "suspended" else delivery.state
        for state in PATH[PATH.index(DeliveryState(reached)) + 1 :]:
            yield {"title": state.label, "tone": "next", "step": None, "at": None}


def _title(step: DeliveryTransition) -> str:
    """In words where the name of the state does not say what happened."""
    match step.from_state, step.to_state:
        case _, DeliveryState.SCHEDULED:
            return _("The attempt did not succeed; it begins again")
        case DeliveryState.ACTIVE, DeliveryState.SUSPENDED:
            return _("Suspended: the cards were taken away for a time")
        case DeliveryState.ACCEPTING, DeliveryState.SUSPENDED:
            return _("Still suspended: the test did not pass")
        case DeliveryState.SUSPENDED, DeliveryState.ACCEPTING:
            return _("The cards are there again, and are tested")
        case _:
            return step.get_to_state_display()


def _actor(step: DeliveryTransition) -> str:
    if step.token_id:
        return _("the site’s agent")
    if step.user_id is None:
        return _("the exchange")
    return _("an operator") if step.report.get("by") == "operator" else _("the owner")


def _tone(step: DeliveryTransition, last: DeliveryTransition) -> str:
    if step.to_state in {DeliveryState.FAILED, DeliveryState.EVICTED}:
        return "harm"
    return "now" if step == last and step.to_state != DeliveryState.ENDED else "done"
