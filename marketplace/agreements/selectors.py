"""Reading agreements: each party sees its own, auditors and operators see all."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.actors import Capability, Viewer
from marketplace.agreements.models import Agreement


def agreements_for(viewer: Viewer) -> QuerySet[Agreement]:
    """Newest first, with the parties, the request and what was bought; of all kinds."""
    rows = Agreement.objects.select_related(
        "buyer",
        "owner",
        "profile_version",
        "allocation__request",
        "allocation__alternative",
        "allocation__offer__fleet__model",
        "allocation__offer__fleet__site__region__zone",
    ).order_by("-pk")
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(buyer__in=mine) | Q(owner__in=mine))


def placed_for(viewer: Viewer) -> QuerySet[Agreement]:
    """Those over something that the market placed: all but the term agreements themselves."""
    return agreements_for(viewer).exclude(kind=Agreement.Kind.TERM)
