"""Pages of long work: it can be left, and returned to."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.jobs.selectors import jobs_for
from marketplace.jobs.services import steps_done
from marketplace.web.charts import percent_of
from marketplace.web.listing import page_of


@login_required
@require_safe
def jobs(request: PageRequest) -> HttpResponse:
    return render(request, "jobs/jobs.html", {"page": page_of(request, jobs_for(request.viewer))})


@login_required
@require_safe
def job(request: PageRequest, pk: int) -> HttpResponse:
    """The page; inside of it, every two seconds, the part that changes, for as long as it does."""
    shown = get_object_or_404(jobs_for(request.viewer), pk=pk)
    done = steps_done(shown)
    context = {"job": shown, "done": done, "share": percent_of(done, max(shown.steps, 1))}
    inside = request.headers.get("HX-Request")
    return render(request, "jobs/_job.html" if inside else "jobs/job.html", context)
