"""The page of what ties a buyer's requests together: budgets, choices, and the cap on one owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import refusals_on, with_organisation
from accounts.requests import PageRequest
from marketplace.catalogue.models import CurrencyCode
from marketplace.clock import market_now
from marketplace.demand import groups
from marketplace.demand.commitments import budgets_for, choices_for, open_with_owners
from marketplace.demand.groups import LARGEST_CHOICE, BudgetInput, ChoiceInput
from marketplace.demand.models import LARGEST_CAP, OwnerCap
from marketplace.web.access import may, require_trader
from marketplace.web.fields import ExactField
from marketplace.web.listing import refused

MOST_SHOWN = 100


class BudgetForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), choices=CurrencyCode.choices)
    amount = ExactField(
        label=gettext_lazy("Amount"),
        max_digits=18,
        decimal_places=2,
        help_text=gettext_lazy("What the requests under it pay together, at most."),
    )


class ChoiceForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    most = forms.IntegerField(
        label=gettext_lazy("At most"),
        initial=1,
        max_value=LARGEST_CHOICE,
        help_text=gettext_lazy("So many of the requests under it are matched; the others stay unmatched."),
    )


class OwnerCapForm(forms.Form):
    card_hours = forms.IntegerField(
        label=gettext_lazy("At most, from any one owner"),
        required=False,
        max_value=LARGEST_CAP,
        help_text=gettext_lazy("Sold to you and not yet over. Leave it empty for no cap."),
    )


@login_required
@require_safe
def overview(request: PageRequest) -> HttpResponse:
    return render(request, "demand/groups.html", _context(request))


@with_organisation
@require_POST
def new_budget(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.BUYER)
    form = BudgetForm(request.POST, auto_id="budget_%s")
    if form.is_valid():
        with refusals_on(form):
            made = groups.create_budget(
                viewer=request.viewer,
                organisation=organisation,
                budget=BudgetInput(**form.cleaned_data),
                now=market_now(),
            )
            messages.success(request, _("The budget “%(name)s” is ready for requests.") % {"name": made})
            return redirect("demand:groups")
    return refused(request, "demand/groups.html", _context(request, budget_form=form))


@with_organisation
@require_POST
def new_choice(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.BUYER)
    form = ChoiceForm(request.POST, auto_id="choice_%s")
    if form.is_valid():
        with refusals_on(form):
            made = groups.create_choice(
                viewer=request.viewer,
                organisation=organisation,
                choice=ChoiceInput(**form.cleaned_data),
                now=market_now(),
            )
            messages.success(request, _("The choice “%(name)s” is ready for requests.") % {"name": made})
            return redirect("demand:groups")
    return refused(request, "demand/groups.html", _context(request, choice_form=form))


@login_required
@require_POST
def close_budget(request: PageRequest, pk: int) -> HttpResponse:
    budget = get_object_or_404(budgets_for(request.viewer), pk=pk)
    groups.close_budget(viewer=request.viewer, budget=budget, now=market_now())
    messages.success(request, _("“%(name)s” is closed.") % {"name": budget})
    return redirect("demand:groups")


@login_required
@require_POST
def close_choice(request: PageRequest, pk: int) -> HttpResponse:
    choice = get_object_or_404(choices_for(request.viewer), pk=pk)
    groups.close_choice(viewer=request.viewer, choice=choice, now=market_now())
    messages.success(request, _("“%(name)s” is closed.") % {"name": choice})
    return redirect("demand:groups")


@with_organisation
@require_POST
def owner_cap(request: PageRequest, organisation: Organisation) -> HttpResponse:
    request.viewer.require(Capability.ADMINISTER, organisation.pk)
    form = OwnerCapForm(request.POST, auto_id="cap_%s")
    if form.is_valid():
        wanted = form.cleaned_data["card_hours"]
        with refusals_on(form):
            groups.set_owner_cap(
                viewer=request.viewer, organisation=organisation, card_hours=wanted, now=market_now()
            )
            messages.success(request, _("The cap holds from the next market run on."))
            return redirect("demand:groups")
    return refused(request, "demand/groups.html", _context(request, cap_form=form))


def _context(request: PageRequest, **sent: forms.Form) -> dict[str, Any]:
    """The lists, and the forms for those who may send them; one that was refused stays as it was sent."""
    buyer = _buyer(request)
    cap = OwnerCap.objects.filter(organisation=buyer.pk).first() if buyer else None
    context = {
        "budgets": budgets_for(request.viewer)[:MOST_SHOWN],
        "choices": choices_for(request.viewer)[:MOST_SHOWN],
        "most_shown": MOST_SHOWN,
        "buyer": buyer,
        "cap": cap,
        "open_with": _open_with(buyer) if buyer else (),
        "may_trade": buyer and may(request, Capability.TRADE, buyer.pk),
        "may_administer": buyer and may(request, Capability.ADMINISTER, buyer.pk),
        "budget_form": BudgetForm(auto_id="budget_%s"),
        "choice_form": ChoiceForm(auto_id="choice_%s"),
        "cap_form": OwnerCapForm(initial={"card_hours": cap and cap.card_hours}, auto_id="cap_%s"),
    }
    return context | sent


def _buyer(request: PageRequest) -> Organisation | None:
    """The organisation that the reader works for, if it buys."""
    organisation = request.organisation
    return organisation if organisation and organisation.kind == Organisation.Kind.BUYER else None


def _open_with(buyer: Organisation) -> Sequence[tuple[Organisation, int]]:
    """The owners that have sold it hours which are not over, and how many card-hours, most first."""
    found = {owner: total for (_, owner), total in open_with_owners([buyer.pk], now=market_now()).items()}
    owners = Organisation.objects.in_bulk(found)
    most_first = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return [(owners[owner], total) for owner, total in most_first]
