"""Reading demand: the requests that a viewer may see."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Prefetch, QuerySet, Value

from accounts.actors import Capability, Viewer
from marketplace.demand.models import Alternative, ComputeRequest


def requests_for(viewer: Viewer) -> QuerySet[ComputeRequest]:
    """Requests with their buyer, newest first."""
    requests = ComputeRequest.objects.select_related("organisation").order_by("-pk")
    if viewer.sees_everything:
        return requests
    return requests.filter(organisation__in=viewer.organisations_with(Capability.READ))


def with_alternatives(requests: QuerySet[ComputeRequest]) -> QuerySet[ComputeRequest]:
    """Each request with its alternatives and all that they name; four queries for any number."""
    alternatives = Alternative.objects.select_related("near").order_by("position")
    return requests.prefetch_related(
        Prefetch("alternatives", queryset=alternatives.prefetch_related("accelerator_models", "stacks"))
    )


def requests_too_late(now: datetime) -> QuerySet[ComputeRequest]:
    """Open requests of which no alternative could still be finished by its deadline."""
    span = ExpressionWrapper(F("hours") * Value(timedelta(hours=1)), output_field=DurationField())
    possible = Alternative.objects.filter(request=OuterRef("pk"), deadline__gt=now + span)
    return ComputeRequest.objects.filter(~Exists(possible), state=ComputeRequest.State.OPEN).order_by("pk")
