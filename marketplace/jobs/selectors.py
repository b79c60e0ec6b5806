"""Reading jobs."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.actors import Capability, Viewer
from marketplace.jobs.models import Job


def jobs_for(viewer: Viewer) -> QuerySet[Job]:
    """Jobs of the viewer's organisations, newest first."""
    jobs = Job.objects.select_related("organisation", "started_by").order_by("-pk")
    if viewer.sees_everything:
        return jobs
    return jobs.filter(organisation__in=viewer.organisations_with(Capability.READ))
