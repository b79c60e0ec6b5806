"""What waits for a person."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from billing.metering.selectors import conflicts_for
from billing.rating.selectors import parked_for
from marketplace.clearing.selectors import failed_runs_waiting
from marketplace.delivery.models import DeliveryState
from marketplace.delivery.selectors import deliveries_for

PARKED_SHOWN = 50


@login_required
@require_safe
def parked(request: PageRequest) -> HttpResponse:
    """Everything that waits for a person, for operators and auditors."""
    viewer = request.viewer
    if not viewer.sees_everything:
        raise Http404
    usage = parked_for(viewer).filter(resolved_at=None)
    conflicts = conflicts_for(viewer)
    failed = deliveries_for(viewer).filter(state__in=(DeliveryState.FAILED, DeliveryState.EVICTED))
    failed_runs = failed_runs_waiting()
    counts = [rows.count() for rows in (usage, conflicts, failed, failed_runs)]
    context = {
        "usage": usage[:PARKED_SHOWN],
        "conflicts": conflicts[:PARKED_SHOWN],
        "failed": failed[:PARKED_SHOWN],
        "failed_runs": failed_runs[:PARKED_SHOWN],
        "counts": dict(zip(("usage", "conflicts", "failed", "failed_runs"), counts, strict=True)),
        "waiting": sum(counts),
        "most_shown": PARKED_SHOWN,
    }
    return render(request, "audit/parked.html", context)
