"""Pages of term agreements, the same for both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import refusals_on, with_organisation
from accounts.requests import PageRequest
from marketplace.agreements import term_services
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import placed_for
from marketplace.agreements.term_forms import AmendmentForm, TermForm, initial_of
from marketplace.clock import market_now
from marketplace.terms.calendar import months
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.selectors import term_agreements_for
from marketplace.terms.sheet import MICRO, PLACES, Sheet
from marketplace.web.access import may
from marketplace.web.fields import posted
from marketplace.web.formats import moment
from marketplace.web.listing import page_of, refused

CALL_OFFS = 20


@dataclass(frozen=True, slots=True)
class VersionLine:
    """Terms as pages say them; ``tiers`` are pairs of a share of the quantity and a price of a ``unit``."""

    version: TermVersion
    unit: str
    quantity: Decimal
    price: Decimal
    take_or_pay: Decimal
    tiers: Sequence[tuple[Decimal, Decimal]]
    sheet: Sheet


def version_line(version: TermVersion) -> VersionLine:
    sheet = version.sheet
    return VersionLine(
        version=version,
        unit=sheet.unit.short,
        quantity=Decimal(sheet.quantity) / MICRO,
        price=Decimal(sheet.price).scaleb(-PLACES),
        take_or_pay=Decimal(sheet.take_or_pay) / MICRO,
        tiers=[(Decimal(tier.above) / MICRO, Decimal(tier.price).scaleb(-PLACES)) for tier in sheet.tiers],
        sheet=sheet,
    )


@login_required
@require_safe
def terms(request: PageRequest) -> HttpResponse:
    page = page_of(request, term_agreements_for(request.viewer))
    page.object_list = [(each, version_line(each.versions.all()[0])) for each in page.object_list]
    organisation = request.organisation
    may_propose = bool(organisation and may(request, Capability.TRADE, organisation.pk))
    return render(request, "agreements/terms.html", {"page": page, "may_propose": may_propose})


@login_required
@require_safe
def term(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(term_agreements_for(request.viewer), pk=pk)
    versions = [version_line(each) for each in shown.versions.all()]
    accepted = [each for each in versions if each.version.state == TermVersion.State.ACCEPTED]
    call_offs = placed_for(request.viewer).filter(term=shown).select_related("delivery")
    context = {
        "term": shown,
        "versions": versions,
        "current": (accepted or versions)[-1],
        "proposal": next((each for each in versions if each.version.state == TermVersion.State.OPEN), None),
        "agreement": Agreement.objects.filter(term=shown, kind=Agreement.Kind.TERM).first(),
        "call_offs": call_offs[:CALL_OFFS],
        **_powers(request, shown),
    }
    return render(request, "agreements/term.html", context)


def _powers(request: PageRequest, shown: TermAgreement) -> dict[str, bool]:
    """What the reader may do about it."""
    proposal = next((each for each in shown.versions.all() if each.state == TermVersion.State.OPEN), None)
    buys = may(request, Capability.TRADE, shown.buyer_id)
    sells = may(request, Capability.TRADE, shown.owner_id)
    other_side = sells if proposal and proposal.proposed_by == TermVersion.Side.BUYER else buys
    concluded = shown.state == TermAgreement.State.CONCLUDED
    ahead = any(start > market_now() for start, _end in shown.spans)
    return {
        "may_accept": bool(proposal) and other_side,
        "may_refuse": bool(proposal) and (buys or sells),
        "may_amend": (buys or sells) and concluded and ahead and not proposal,
        "may_call_off": buys and concluded and shown.ends_at > market_now(),
        "may_reserve": sells and concluded and shown.ends_at > market_now(),
    }


@with_organisation
@require_http_methods(["GET", "POST"])
def propose(request: PageRequest, organisation: Organisation) -> HttpResponse:
    request.viewer.require(Capability.TRADE, organisation.pk)
    initial = {"time_zone": organisation.time_zone, "starts_at": _next_month(organisation, market_now())}
    form = TermForm(posted(request), organisation=organisation, initial=initial)
    if form.is_valid():
        with refusals_on(form):
            made = term_services.propose_agreement(
                viewer=request.viewer, organisation=organisation, term=form.term(), now=market_now()
            )
            messages.success(request, _("%(term)s is proposed.") % {"term": made})
            return redirect("agreements:term", made.pk)
    return _form(request, "agreements/propose_term.html", form, {"organisation": organisation})


def _next_month(organisation: Organisation, now: datetime) -> datetime:
    return months(now, 1, organisation.time_zone, settings.TERM_CALENDAR)[0][1]


@login_required
@require_http_methods(["GET", "POST"])
def amend(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(term_agreements_for(request.viewer), pk=pk)
    side = shown.buyer_id if may(request, Capability.TRADE, shown.buyer_id) else shown.owner_id
    request.viewer.require(Capability.TRADE, side)
    accepted = [each for each in shown.versions.all() if each.state == TermVersion.State.ACCEPTED]
    latest = (accepted or list(shown.versions.all()))[-1].sheet
    ahead = {number: moment(start) for number, (start, _) in enumerate(shown.spans) if start > market_now()}
    form = AmendmentForm(posted(request), term=shown, months=ahead, initial=initial_of(latest))
    if form.is_valid():
        with refusals_on(form):
            term_services.propose_amendment(
                viewer=request.viewer,
                agreement=shown,
                sheet=form.sheet(),
                from_month=form.cleaned_data["from_month"],
                now=market_now(),
            )
            messages.success(request, _("The other side can accept it now."))
            return redirect("agreements:term", shown.pk)
    return _form(request, "agreements/amend_term.html", form, {"term": shown})


@login_required
@require_POST
def accept(request: PageRequest, pk: int, number: int) -> HttpResponse:
    shown = get_object_or_404(term_agreements_for(request.viewer), pk=pk)
    term_services.accept_terms(viewer=request.viewer, agreement=shown, number=number, now=market_now())
    messages.success(request, _("The terms are accepted."))
    return redirect("agreements:term", shown.pk)


@login_required
@require_POST
def refuse(request: PageRequest, pk: int, number: int) -> HttpResponse:
    shown = get_object_or_404(term_agreements_for(request.viewer), pk=pk)
    version = term_services.refuse_terms(
        viewer=request.viewer, agreement=shown, number=number, now=market_now()
    )
    messages.success(request, _("The terms: %(state)s.") % {"state": version.get_state_display()})
    return redirect("agreements:term", shown.pk)


def _form(request: PageRequest, template: str, form: Any, context: dict[str, Any]) -> HttpResponse:
    shown = {**context, "form": form}
    return refused(request, template, shown) if form.errors else render(request, template, shown)
