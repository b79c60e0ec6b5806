"""What operators do about parked work, from the page that lists it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from billing.forms import OverageForm, problems_in
from billing.rating.decisions import decide_overage
from billing.rating.selectors import parked_for
from marketplace.clock import market_now
from marketplace.errors import InvalidInput


@login_required
@require_POST
def decide(request: PageRequest, pk: int) -> HttpResponse:
    parked = get_object_or_404(parked_for(request.viewer), pk=pk)
    form = OverageForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Nothing was charged."), problems_in(form))
    decide_overage(viewer=request.viewer, parked=parked, now=market_now(), **form.cleaned_data)
    messages.success(request, _("The slot is decided and does not wait any more."))
    return redirect("audit:parked")
