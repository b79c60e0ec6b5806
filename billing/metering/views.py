"""A reading with its event; and conflicts, for operators and the owners whose sites sent them."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from billing.metering.selectors import conflicts_for, readings_for
from marketplace.web.listing import page_of


@login_required
@require_safe
def conflicts(request: PageRequest) -> HttpResponse:
    rows = conflicts_for(request.viewer)
    return render(request, "metering/conflicts.html", {"page": page_of(request, rows)})


@login_required
@require_safe
def conflict(request: PageRequest, pk: int) -> HttpResponse:
    """Both bodies, side by side, and member by member where they differ."""
    shown = get_object_or_404(conflicts_for(request.viewer), pk=pk)
    context = {
        "conflict": shown,
        "changes": _changes(json.loads(shown.counted), json.loads(shown.body)) if shown.counted else None,
    }
    return render(request, "metering/conflict.html", context)


def _changes(counted: dict[str, object], other: dict[str, object]) -> list[dict[str, object]]:
    """The members of either, those of the data by themselves."""
    before, after = _flat(counted), _flat(other)
    return [
        {"label": name, "before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys((*before, *after))
    ]


def _flat(event: dict[str, object], path: str = "") -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in event.items():
        members |= _flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
    return members


@login_required
@require_safe
def reading(request: PageRequest, pk: int) -> HttpResponse:
    """A reading with the event that it was made of, as it was received."""
    shown = get_object_or_404(readings_for(request.viewer), pk=pk)
    return render(request, "metering/reading.html", {"reading": shown})
