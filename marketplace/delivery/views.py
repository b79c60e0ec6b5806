"""Pages of deliveries, the same for both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.delivery.acceptance import FIELDS
from marketplace.delivery.forms import DeliveryFilter
from marketplace.delivery.models import Delivery, DeliveryState, DeliveryTransition
from marketplace.delivery.selectors import deliveries_for, with_steps
from marketplace.delivery.tables import DELIVERIES
from marketplace.web.tables import as_it_is, show

PATH = (
    DeliveryState.SCHEDULED,
    DeliveryState.PROVISIONING,
    DeliveryState.ACCEPTING,
    DeliveryState.ACTIVE,
    DeliveryState.ENDED,
)


@login_required
@require_safe
def deliveries(request: PageRequest) -> HttpResponseBase:
    everything = deliveries_for(request.viewer)
    choice = DeliveryFilter(request.GET, deliveries=everything)
    counts = dict(everything.order_by().values_list("state").annotate(Count("pk")))
    context = {"filter": choice, "counts": counts, "all": sum(counts.values())}
    rows = choice.of(everything)
    return show(request, DELIVERIES, rows, "delivery/deliveries.html", context, line=as_it_is)


@login_required
@require_safe
def delivery(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(with_steps(deliveries_for(request.viewer)), pk=pk)
    context = {"delivery": shown, "steps": list(_steps(shown)), "acceptance": _acceptance(shown)}
    context["access"] = _access(shown)
    return render(request, "delivery/delivery.html", context)


def _acceptance(delivery: Delivery) -> dict[str, Any]:
    """What the site reported of its test, every field of it; nothing where it has not reported."""
    reported = delivery.acceptance
    return {name: reported.get(name) for name in FIELDS} if reported else {}


def _access(delivery: Delivery) -> list[tuple[str, str]]:
    """How the buyer gets in, as the site named it last: short names and values of a step's ``access``."""
    named = [step.report["access"] for step in delivery.transitions.all() if _is_access(step.report)]
    return [(name, str(value)) for name, value in named[-1].items()] if named else []


def _is_access(report: dict[str, Any]) -> bool:
    access = report.get("access")
    return isinstance(access, dict) and all(isinstance(value, (str, int)) for value in access.values())


def _steps(delivery: Delivery) -> Iterator[dict[str, Any]]:
    """What has happened, and what comes next where nothing has failed."""
    taken = list(delivery.transitions.all())
    yield {"title": DeliveryState.SCHEDULED.label, "tone": "done", "step": None, "at": None}
    for step in taken:
        yield {
            "title": step.get_to_state_display(),
            "tone": _tone(step, taken[-1]),
            "step": step,
            "at": step.at,
            "report": json.dumps(step.report, indent=2, ensure_ascii=False) if step.report else "",
        }
    if delivery.state != DeliveryState.FAILED:
        reached = PATH.index(DeliveryState(delivery.state))
        for state in PATH[reached + 1 :]:
            yield {"title": state.label, "tone": "next", "step": None, "at": None}


def _tone(step: DeliveryTransition, last: DeliveryTransition) -> str:
    if step.to_state == DeliveryState.FAILED:
        return "harm"
    return "now" if step == last and step.to_state != DeliveryState.ENDED else "done"
