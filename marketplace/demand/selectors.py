"""Reading demand: the requests that a viewer may see."""

from __future__ import annotations

from datetime import datetime

from django.db.models import (
    Case,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Prefetch,
    QuerySet,
    Value,
    When,
)

from accounts.actors import Capability, Viewer
from marketplace.clock import HOUR
from marketplace.demand.models import Alternative, ComputeRequest


def requests_for(viewer: Viewer) -> QuerySet[ComputeRequest]:
    """Requests with their buyer and their groups, newest first."""
    whole = ComputeRequest.objects.select_related("organisation", "shared_budget", "choice")
    requests = whole.order_by("-pk")
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
    """Open requests of which no alternative could still be finished by its deadline.

    Work that is spread over the window is still possible as long as one hour of it is left.
    """
    hours = Case(When(divisible=True, then=1), default=F("hours"), output_field=IntegerField())
    span = ExpressionWrapper(hours * Value(HOUR), output_field=DurationField())
    possible = Alternative.objects.filter(request=OuterRef("pk"), deadline__gt=now + span)
    return ComputeRequest.objects.filter(~Exists(possible), state=ComputeRequest.State.OPEN).order_by("pk")
