"""Starting a job, and the frame in which its task does the work.

How far a job is lives in the cache, since the work itself may be one transaction whose rows nobody sees
before it ends. A worker that dies leaves the job running; the broker delivers the task again and the work
starts anew, so the work has to be one that may be done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Capability, Viewer, task_actor
from accounts.models import Organisation
from marketplace.clock import market_now
from marketplace.errors import DomainError, InvalidInput, NotAllowed
from marketplace.jobs.models import Job
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News, notify

Work = Callable[[Job], str]
A_DAY = 24 * 3600


@transaction.atomic
def start(
    *,
    viewer: Viewer,
    organisation: Organisation | None,
    kind: Job.Kind,
    subject: int,
    steps: int,
    task: str,
    now: datetime,
) -> Job:
    """Queue the Celery task of that name once this transaction has committed.

    A subject that is being worked on already gives the job that does it. Without an organisation it is
    a job of the exchange's own people.
    """
    actor = _starter(viewer, organisation)
    if actor.user is None:
        raise InvalidInput(_("Only people start jobs."))
    under_way = Job.objects.filter(kind=kind, subject=subject, finished_at=None).first()
    if under_way is not None:
        return under_way
    job = Job.objects.create(
        kind=kind,
        organisation=organisation,
        started_by=actor.user,
        subject=subject,
        steps=steps,
        language=translation.get_language() or "en",
        queued_at=now,
    )
    audit.record(
        actor=actor,
        action="job.started",
        target=job,
        now=now,
        organisation=organisation,
        data={"kind": str(kind), "subject": subject},
    )
    transaction.on_commit(lambda: current_app.send_task(task, [job.pk]))
    return job


def _starter(viewer: Viewer, organisation: Organisation | None) -> Actor:
    if organisation is not None:
        return viewer.require(Capability.READ, organisation.pk)
    if viewer.actor is None or not viewer.sees_everything:
        raise NotAllowed(_("This is for auditors and operators."))
    return viewer.actor


def carry_out(job_id: int, work: Work) -> None:
    """Do the work of a job that has not ended; ``work`` returns the address of what came of it.

    What the work refuses ends the job in words. Anything else ends it too and is raised, for the operators.
    """
    job = Job.objects.select_related("started_by", "organisation").get(pk=job_id)
    if not job.is_under_way:
        return
    Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(state=Job.State.RUNNING)
    with translation.override(job.language):
        try:
            result_url = work(job)
        except DomainError as refusal:
            _end(job, Job.State.FAILED, error=_words(refusal))
        except Exception:
            _end(job, Job.State.FAILED, error=_("Something broke on our side. The operators can see it."))
            raise
        else:
            _end(job, Job.State.DONE, result_url=result_url)


def _words(refusal: DomainError) -> str:
    return " ".join([refusal.message, *getattr(refusal, "fields", {}).values()])


@transaction.atomic
def _end(job: Job, state: Job.State, *, error: str = "", result_url: str = "") -> None:
    now = market_now()
    job.state, job.error, job.result_url, job.finished_at = state, error, result_url, now
    job.save(update_fields=["state", "error", "result_url", "finished_at"])
    audit.record(
        actor=task_actor(f"jobs.{job.kind}"),
        action=f"job.{state}",
        target=job,
        now=now,
        organisation=job.organisation,
    )
    if job.organisation is None:
        return  # what is told is told to an organisation; who started it has the page open
    news = News(
        kind=Kind.JOB_ENDED,
        organisation=job.organisation.pk,
        key=str(job.pk),
        page=("jobs:job", job.pk),
        facts={"job": f"{job}: {job.get_kind_display()}"},
        only=job.started_by,
    )
    notify(news, now=now)


def report(job: Job, done: int) -> None:
    """Say how many steps are done."""
    cache.set(_key(job), done, A_DAY)


def steps_done(job: Job) -> int:
    if job.state == Job.State.DONE:
        return job.steps
    return min(int(cache.get(_key(job)) or 0), job.steps)


def _key(job: Job) -> str:
    return f"job-{job.pk}"
