"""Pages of agents: how they are, and for administrators of the owner who may become one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest
from accounts.services import revoke_token
from marketplace.agents import services
from marketplace.agents.models import EnrolmentCode
from marketplace.agents.presentation import advice, line_of
from marketplace.agents.selectors import agents_for, idle_cards, open_code
from marketplace.agents.tables import AGENTS
from marketplace.clock import market_now
from marketplace.supply.models import Site
from marketplace.supply.selectors import off_the_market, sites_for
from marketplace.web.access import may
from marketplace.web.tables import show


@login_required
@require_safe
def agents(request: PageRequest) -> HttpResponseBase:
    now = market_now()
    rows = agents_for(request.viewer)
    context = {"all": rows.count(), "silent": off_the_market(request.viewer).count()}
    return show(request, AGENTS, rows, "agents/agents.html", context, line=lambda agent: line_of(agent, now))


@login_required
@require_safe
def site(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    return render(request, "agents/site.html", _context(request, shown))


def _context(request: PageRequest, shown: Site, secret: str = "") -> dict[str, Any]:
    now = market_now()
    agent = agents_for(request.viewer).filter(site=shown).first()
    line = line_of(agent, now) if agent is not None else None
    return {
        "site": shown,
        "agent": agent,
        "line": line,
        "idle": idle_cards(shown),
        "advice": list(advice(line, now)) if line is not None else [],
        "code": open_code(shown, wall_now=datetime.now(UTC)),
        "command": f"cardhour-agent enrol {settings.BASE_URL} --code {secret}" if secret else "",
        "minutes": EnrolmentCode.LIFETIME // timedelta(minutes=1),
        "may_administer": may(request, Capability.ADMINISTER, shown.owner_id),
    }


@never_cache
@login_required
@require_POST
def new_code(request: PageRequest, pk: int) -> HttpResponse:
    """Answers with the page itself: after a redirect the code would have to be kept somewhere."""
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    _code, secret = services.make_code(
        viewer=request.viewer, site=shown, now=market_now(), wall_now=datetime.now(UTC)
    )
    return render(request, "agents/site.html", _context(request, shown, secret))


@login_required
@require_POST
def revoke_code(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    services.revoke_code(viewer=request.viewer, site=shown, now=market_now())
    messages.success(request, _("The code does not work any more."))
    return redirect("agents:site", shown.pk)


@login_required
@require_POST
def revoke(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    request.viewer.require(Capability.ADMINISTER, shown.owner_id)
    for agent in agents_for(request.viewer).filter(site=shown):
        revoke_token(viewer=request.viewer, token=agent.token, now=market_now())
    messages.success(request, _("The agent of %(site)s is refused from now on.") % {"site": shown})
    return redirect("agents:site", shown.pk)
