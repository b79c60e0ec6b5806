"""Pages of disputes: both sides' figures next to each other, what each said, and what came out."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PageRequest
from billing.forms import AnswerForm, DecisionForm, DisputeForm, UsageReportForm, problems_in, slot_field
from billing.rating.comparisons import comparisons_of
from billing.rating.disputes import (
    answer_dispute,
    correct_charges,
    open_dispute,
    speaks_for,
    uphold_charges,
)
from billing.rating.models import Dispute
from billing.rating.selectors import charges_for, disputes_for
from billing.rating.usage_reports import Seen, report_usage
from marketplace.clock import market_now
from marketplace.errors import InvalidInput
from marketplace.web.listing import page_of

HOURS_A_PAGE = 200


@login_required
@require_safe
def disputes(request: PageRequest) -> HttpResponse:
    rows = disputes_for(request.viewer)
    waiting = rows.filter(state=Dispute.State.OPEN).count()
    return render(request, "billing/disputes.html", {"page": page_of(request, rows), "open": waiting})


@login_required
@require_safe
def dispute(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(disputes_for(request.viewer), pk=pk)
    page = page_of(request, comparisons_of(shown), HOURS_A_PAGE)
    page.object_list = [{"figures": each, "field": slot_field(each.slot)} for each in page.object_list]
    is_open = shown.state == Dispute.State.OPEN
    parties = (shown.agreement.owner_id, shown.agreement.buyer_id)
    context = {
        "dispute": shown,
        "page": page,
        "entries": shown.entries.order_by("pk"),
        "may_answer": is_open and any(speaks_for(request.viewer, party) for party in parties),
        "may_decide": is_open and request.viewer.is_operator,
    }
    return render(request, "billing/dispute.html", context)


@login_required
@require_POST
def open_one(request: PageRequest, pk: int) -> HttpResponse:
    """Dispute the hour of a charge, or all hours of its agreement."""
    charge = get_object_or_404(charges_for(request.viewer), pk=pk)
    form = DisputeForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("No dispute was opened."), problems_in(form))
    opened = open_dispute(
        viewer=request.viewer,
        agreement=charge.agreement,
        charge=None if form.cleaned_data["all_hours"] else charge,
        reason=form.cleaned_data["reason"],
        now=market_now(),
    )
    messages.success(request, _("The charges are held until the outcome."))
    return redirect("billing:dispute", opened.pk)


@login_required
@require_POST
def report(request: PageRequest, pk: int) -> HttpResponse:
    """What the buyer saw in the hour of a charge."""
    charge = get_object_or_404(charges_for(request.viewer), pk=pk)
    form = UsageReportForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Nothing was reported."), problems_in(form))
    seen = Seen(slot=charge.slot, **form.cleaned_data)
    report_usage(viewer=request.viewer, agreement=charge.agreement, seen=seen, now=market_now())
    messages.success(request, _("Your figure is kept beside the site's readings."))
    return redirect("billing:charge", charge.pk)


@login_required
@require_POST
def answer(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(disputes_for(request.viewer), pk=pk)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Nothing was entered."), problems_in(form))
    answer_dispute(viewer=request.viewer, dispute=shown, now=market_now(), **form.cleaned_data)
    return redirect("billing:dispute", pk)


@login_required
@require_POST
def decide(request: PageRequest, pk: int) -> HttpResponse:
    """Uphold the charges, or correct the hours for which a quantity is given."""
    shown = get_object_or_404(disputes_for(request.viewer), pk=pk)
    form = DecisionForm(request.POST, slots=shown.slots.values_list("slot", flat=True))
    if not form.is_valid():
        raise InvalidInput(_("Nothing was decided."), problems_in(form))
    viewer, now, reason = request.viewer, market_now(), form.cleaned_data["reason"]
    if form.quantities:
        correct_charges(viewer=viewer, dispute=shown, quantities=form.quantities, reason=reason, now=now)
    else:
        uphold_charges(viewer=viewer, dispute=shown, reason=reason, now=now)
    messages.success(request, _("The dispute is closed, and its charges are not held any more."))
    return redirect("billing:dispute", pk)
