"""Who looked: what auditors read of an organisation, for its members."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.actors import Capability, Viewer
from accounts.models import AuditEvent
from marketplace.audit.access.looks import LOOKED


def looks_for(viewer: Viewer) -> QuerySet[AuditEvent]:
    """Newest first: looks at the viewer's organisations, and those at lists of everybody's."""
    events = AuditEvent.objects.filter(action=LOOKED).select_related("user", "organisation", "seal")
    if not viewer.sees_everything:
        mine = viewer.organisations_with(Capability.READ)
        events = events.filter(Q(organisation__in=mine) | Q(organisation=None))
    return events.order_by("-pk")
