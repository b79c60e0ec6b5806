"""What belongs to no slice: search, the style guide, and how a reader likes its tables."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.requests import PageRequest
from marketplace.clock import market_now
from marketplace.web import services
from marketplace.web.samples import samples
from marketplace.web.search import find
from marketplace.web.tables.table import REGISTERED


def styleguide(request: HttpRequest) -> HttpResponse:
    """Shown while developing and in the demo; elsewhere it does not exist."""
    if not settings.STYLEGUIDE:
        raise Http404
    return render(request, "styleguide/index.html", samples())


@require_safe
def search(request: PageRequest) -> HttpResponse:
    """What ``?q=`` finds: a page of its own, and the answer inside of the palette that "/" opens."""
    text = request.GET.get("q", "")
    context = {"q": text, "groups": find(request.viewer, text)}
    inside = request.headers.get("HX-Request")
    return render(request, "search/_found.html" if inside else "search/search.html", context)


@login_required
@require_POST
def columns(request: HttpRequest, table: str) -> HttpResponse:
    """Keep which columns of a table the reader wants to see, or forget it; then back to the table."""
    shown = REGISTERED.get(table)
    if shown is None or not isinstance(request.user, User):
        raise Http404
    if "forget" in request.POST:
        services.forget_columns(user=request.user, table=shown, now=market_now())
    else:
        keys = request.POST.getlist("column")
        services.choose_columns(user=request.user, table=shown, keys=keys, now=market_now())
    back = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if here else "home")
