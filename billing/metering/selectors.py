"""Reading readings: the parties of the agreement see theirs, auditors and operators see all."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, Q, QuerySet, Sum

from accounts.actors import Capability, Viewer
from billing.metering.models import MEANS, MeteredHour, Reading, ReadingConflict


def _parties(viewer: Viewer, path: str) -> Q:
    """The condition that ``path``, an agreement, has an organisation of the viewer as a party."""
    if viewer.sees_everything:
        return Q()
    mine = viewer.organisations_with(Capability.READ)
    return Q(**{f"{path}__buyer__in": mine}) | Q(**{f"{path}__owner__in": mine})


def readings_for(viewer: Viewer) -> QuerySet[Reading]:
    """Newest first, with their delivery."""
    return (
        Reading.objects.filter(_parties(viewer, "delivery__agreement"))
        .select_related("delivery__agreement")
        .order_by("-pk")
    )


def hours_for(viewer: Viewer) -> QuerySet[MeteredHour]:
    """What readings add up to, newest hours first, with their delivery."""
    return (
        MeteredHour.objects.filter(_parties(viewer, "delivery__agreement"))
        .select_related("delivery__agreement")
        .order_by("-pk")
    )


def usage_by_slot(readings: QuerySet[Reading]) -> QuerySet[Reading, Any]:
    """What readings add up to, by delivery, slot and meter: quantity, readings, last reading's id.

    Means do not add up and are left out.
    """
    return (
        readings.exclude(meter__in=MEANS)
        .order_by("delivery", "slot", "meter")
        .values("delivery", "slot", "meter")
        .annotate(total=Sum("quantity"), readings=Sum("sign"), last_reading=Max("pk"))
    )


def conflicts_for(viewer: Viewer) -> QuerySet[ReadingConflict]:
    """Newest first: everybody's for auditors and operators, an owner's own for the owner."""
    rows = ReadingConflict.objects.select_related("event", "delivery__agreement", "token").order_by("-pk")
    if viewer.sees_everything:
        return rows
    return rows.filter(delivery__agreement__owner__in=viewer.organisations_with(Capability.READ))
