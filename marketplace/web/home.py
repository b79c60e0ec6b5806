"""The front page: the market for everybody, and for members first what their organisation waits for.

It reads from every slice, so it belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from accounts.requests import PageRequest
from marketplace.agreements.selectors import placed_for
from marketplace.clearing.models import Explanation
from marketplace.clearing.selectors import explanations_for
from marketplace.clearing.views import board_context
from marketplace.clock import market_now
from marketplace.demand.models import ComputeRequest
from marketplace.demand.selectors import requests_for
from marketplace.web.navigation import resolve
from marketplace.web.owner_home import owner_context

SHOWN = 5


@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Anonymous readers see the market; members their organisation's morning; auditors the utilisation."""
    organisation = request.organisation
    if not organisation:
        if request.viewer.sees_everything:
            return redirect("audit:overview")
        return render(request, "home/market.html", board_context(request))
    now = market_now()
    mine = only_for(request.viewer, organisation)
    if organisation.kind == Organisation.Kind.OWNER:
        return render(request, "home/owner.html", owner_context(mine, organisation, now=now))
    return render(request, "home/buyer.html", buyer_context(mine, organisation, now=now))


def only_for(viewer: Viewer, organisation: Organisation) -> Viewer:
    """The viewer as a member of one organisation and nothing else."""
    return Viewer(viewer.actor, {organisation.pk: viewer.capabilities[organisation.pk]})


def buyer_context(viewer: Viewer, organisation: Organisation, *, now: datetime) -> dict[str, Any]:
    requests = requests_for(viewer).filter(state=ComputeRequest.State.OPEN)
    agreements = placed_for(viewer).filter(buyer=organisation, ends_at__gt=now)
    return {
        "organisation": organisation,
        "requests": requests[:SHOWN],
        "requests_open": requests.count(),
        "explanations": _last_answers(viewer),
        "agreements": agreements[:SHOWN],
        "agreements_active": agreements.count(),
        "may_ask": viewer.may(Capability.TRADE, organisation.pk),
        "links": _links("demand:create", "demand:requests", "agreements:list"),
    }


def _last_answers(viewer: Viewer) -> Sequence[Explanation]:
    """The newest explanation of each of the requests that were answered last."""
    recent = explanations_for(viewer).defer("details")[: 10 * SHOWN]
    newest = {answer.request_id: answer for answer in reversed(recent)}
    return sorted(newest.values(), key=lambda answer: (-answer.run_id, answer.request_id))[:SHOWN]


def _links(*names: str) -> dict[str, str]:
    """Addresses of the pages that are installed, by name with the colon as an underscore."""
    return {name.replace(":", "_"): resolve([name]) for name in names}
