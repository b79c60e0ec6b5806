"""The style guide: every component in every state, on one page."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.web.samples import samples


def styleguide(request: HttpRequest) -> HttpResponse:
    """Shown while developing and in the demo; elsewhere it does not exist."""
    if not settings.STYLEGUIDE:
        raise Http404
    return render(request, "styleguide/index.html", samples())
