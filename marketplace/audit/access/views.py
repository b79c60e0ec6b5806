"""The page of who looked."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest, id_in
from marketplace.audit.access.selectors import looks_for

A_PAGE = 50


@login_required
@require_safe
def looks(request: PageRequest) -> HttpResponse:
    """What auditors read of the reader's organisations. Auditors and operators see all looks."""
    viewer = request.viewer
    if not viewer.sees_everything and not viewer.organisations_with(Capability.READ):
        raise Http404
    events = looks_for(viewer)
    before = id_in(request.GET.get("before", ""))
    if before is not None:
        events = events.filter(pk__lt=before)
    found = list(events[: A_PAGE + 1])
    older = found[A_PAGE - 1].pk if len(found) > A_PAGE else None
    return render(request, "access/looks.html", {"events": found[:A_PAGE], "older": older})
