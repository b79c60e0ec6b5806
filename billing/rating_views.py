"""Pages of rating: a run, what it depended on and charged, and what comes out when it is computed again."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from billing.presentation import card_hours, charge_line
from billing.rating.models import RatingRun
from billing.rating.replay import replay_run
from billing.rating.selectors import charges_for, runs_for
from billing.tables import WITH_DOCUMENTS
from marketplace.web.listing import page_of


@login_required
@require_safe
def run(request: PageRequest, pk: int) -> HttpResponse:
    """A run with the charges that the reader may see; the sums of all parties are for the exchange."""
    shown = get_object_or_404(runs_for(request.viewer), pk=pk)
    charges = charges_for(request.viewer).filter(run=shown).select_related(*WITH_DOCUMENTS)
    page = page_of(request, charges.order_by("agreement", "slot", "sequence"))
    page.object_list = [charge_line(each) for each in page.object_list]
    everything = request.viewer.sees_everything
    context = {
        "run": shown,
        "page": page,
        "sums": _sums(shown) if everything else [],
        "everything": everything,
    }
    return render(request, "billing/rating_run.html", context)


@login_required
@require_safe
def recomputed(request: PageRequest, pk: int) -> HttpResponse:
    """The run computed again, for operators and auditors: it reads the charges of all parties."""
    if not request.viewer.sees_everything:
        raise Http404
    replay = replay_run(get_object_or_404(runs_for(request.viewer), pk=pk))
    return render(request, "billing/rating_run_recomputed.html", {"run": replay.run, "replay": replay})


def _sums(run: RatingRun) -> list[dict[str, object]]:
    return [
        {"currency": currency, "charges": sums["charges"], "quantity": card_hours(sums["quantity"])}
        | {name: Decimal(sums[name]) for name in ("amount", "commission", "credit")}
        for currency, sums in run.sums.items()
    ]
