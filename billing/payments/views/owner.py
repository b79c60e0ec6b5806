"""Owners see what they are owed and were paid, and say where it goes."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import show_refusal, with_organisation
from accounts.requests import PageRequest
from billing.payments import bank_accounts, connect
from billing.payments.balances import balances_of
from billing.payments.forms import BankAccountForm
from billing.payments.intake import person_of
from billing.payments.models import ConnectedAccount
from billing.payments.presentation import balance_line, hold_line, payout_line
from billing.payments.rails.stripe_rail import is_set_up
from billing.payments.selectors import bank_accounts_for, holds_for, payouts_for
from billing.payments.tables import PAYOUTS
from billing.payments.views.buyer import require_finance
from marketplace.clock import market_now
from marketplace.errors import DomainError, NotAllowed
from marketplace.web.fields import posted
from marketplace.web.listing import refused
from marketplace.web.tables import show


@login_required
@require_safe
def payouts(request: PageRequest) -> HttpResponseBase:
    require_finance(request)
    everything = request.viewer.sees_everything
    mine = Organisation.objects.filter(pk__in=request.viewer.organisations_with(Capability.FINANCE))
    parties = Organisation.objects.filter(kind=Organisation.Kind.OWNER) if everything else mine
    context = {
        "balances": [balance_line(each) for each in balances_of(parties)],
        "holds": [hold_line(each) for each in holds_for(request.viewer)],
        "accounts": bank_accounts_for(request.viewer).exclude(organisation=None),
        "connected": ConnectedAccount.objects.filter(organisation__in=mine).first(),
        "has_stripe": is_set_up(),
        "pays_out": _is_paid(request),
    }
    return show(
        request, PAYOUTS, payouts_for(request.viewer), "payments/payouts.html", context, line=payout_line
    )


def _is_paid(request: PageRequest) -> bool:
    organisation = request.organisation
    return bool(
        organisation
        and organisation.kind == Organisation.Kind.OWNER
        and organisation.pk in request.viewer.organisations_with(Capability.FINANCE)
    )


@with_organisation
@require_http_methods(["GET", "HEAD", "POST"])
def new_account(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """Where the owner's money goes; another person, at the exchange, confirms it."""
    _require_owner(request, organisation)
    form = BankAccountForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            bank_accounts.propose(
                entered=form.entered(), organisation=organisation, viewer=request.viewer, now=market_now()
            )
        except DomainError as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(
                request, _("The account is entered. The exchange confirms it before it pays there.")
            )
            return redirect("payments:payouts")
    if request.method == "POST":
        return refused(request, "payments/new_account.html", {"form": form})
    return render(request, "payments/new_account.html", {"form": form})


@with_organisation
@require_POST
def sign_up(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """Ask Stripe for the page on which an owner says who it is and where its money goes."""
    _require_owner(request, organisation)
    address = connect.address_to_sign_up(viewer=request.viewer, organisation=organisation, now=market_now())
    return render(request, "payments/sign_up.html", {"address": address})


def _require_owner(request: PageRequest, organisation: Organisation) -> None:
    person_of(request.viewer, organisation.pk)
    if organisation.kind != Organisation.Kind.OWNER:
        raise NotAllowed(_("Only owners are paid out."))
