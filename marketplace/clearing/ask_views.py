"""An owner asks what other asks would have brought."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.models import Organisation
from accounts.pages import with_organisation
from accounts.requests import PageRequest
from marketplace.clearing.asks import start_replay
from marketplace.clock import market_now
from marketplace.web.access import require_trader


@with_organisation
@require_POST
def replay_asks(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.OWNER)
    job = start_replay(viewer=request.viewer, owner=organisation, now=market_now())
    return redirect("jobs:job", job.pk)
