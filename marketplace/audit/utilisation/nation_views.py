"""The national view, and what is published of each month."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.audit.utilisation.figures import NOTHING
from marketplace.audit.utilisation.map import map_of
from marketplace.audit.utilisation.models import Bulletin
from marketplace.audit.utilisation.nation import Hub, nation
from marketplace.audit.utilisation.presentation import card_hours, levels
from marketplace.audit.utilisation.selectors import as_of
from marketplace.audit.utilisation.views import stated
from marketplace.audit.utilisation.windows import tabs, window_of
from marketplace.clearing.models import Explanation
from marketplace.web.listing import page_of


def _hub_row(hub: Hub) -> dict[str, Any]:
    figures = hub.figures or NOTHING
    return {
        "hub": hub,
        "levels": levels(figures),
        "share": figures.active_share,
        "unasked": card_hours(figures.unsold_unasked),
    }


@login_required
@require_safe
def nation_page(request: PageRequest) -> HttpResponse:
    """The hubs of the programme and the rest of the world: for the exchange's people, for it tells all."""
    if not request.viewer.sees_everything:
        raise Http404
    seen = as_of()
    if seen is None:
        return render(request, "audit/nation.html", {"is_empty": True})
    window = window_of(request.GET, seen)
    found = nation(request.viewer, start=window.start, end=window.end)
    every = [*found.inland, *found.others]
    whole = sum((hub.figures for hub in every if hub.figures is not None), NOTHING)
    bindings = dict(Explanation.Binding.choices)
    context = stated(window, seen, whole) | {
        "windows": tabs(window, seen),
        "maps": [
            (gettext_lazy("East Data, West Computing"), map_of(found.inland, found.flows)),
            (gettext_lazy("All other hubs"), map_of(found.others, found.flows)),
        ],
        "hubs": [_hub_row(hub) for hub in every],
        "flows": found.flows,
        "in_vain": [(each, bindings.get(each.binding, "")) for each in found.in_vain],
        "unasked": card_hours(whole.unsold_unasked),
        "wanted": sum((each.card_hours for each in found.in_vain), Decimal(0)),
        "figures": whole,
    }
    return render(request, "audit/nation.html", context)


@login_required
@require_safe
def bulletins(request: PageRequest) -> HttpResponse:
    """The bulletins that were published, for everybody who is signed in."""
    found = Bulletin.objects.only("month", "number", "published_at").order_by("-month", "-number")
    return render(request, "audit/bulletins.html", {"page": page_of(request, found), "names": EDITIONS})


# What a bulletin is called in its address: the language, and how it is written.
EDITIONS: Mapping[str, tuple[str, str]] = {
    "en.html": ("html_en", "text/html; charset=utf-8"),
    "zh.html": ("html_zh", "text/html; charset=utf-8"),
    "en.pdf": ("pdf_en", "application/pdf"),
    "zh.pdf": ("pdf_zh", "application/pdf"),
}


@login_required
@require_safe
def bulletin(request: PageRequest, pk: int, name: str) -> HttpResponse:  # noqa: ARG001
    """One edition as it was published. A page with a style of its own is handed over as a file."""
    if name not in EDITIONS:
        raise Http404
    field, content_type = EDITIONS[name]
    found = get_object_or_404(Bulletin.objects.only("month", field), pk=pk)
    held = getattr(found, field)
    answer = HttpResponse(held if isinstance(held, str) else bytes(held), content_type=content_type)
    way = "inline" if name.endswith(".pdf") else "attachment"
    answer["Content-Disposition"] = f'{way}; filename="cardhour-bulletin-{found.month:%Y-%m}-{name}"'
    return answer
