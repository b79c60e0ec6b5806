"""Jobs: what a person started goes on, says how far it is, and ends in words."""

from __future__ import annotations

from datetime import datetime

import pytest
from celery import current_app
from django.core.cache import cache
from django.test import Client

from accounts.models import AuditEvent
from marketplace.errors import DomainError
from marketplace.jobs import services
from marketplace.jobs.models import Job
from tests.cast import Cast


@pytest.fixture
def job(cast: Cast, now: datetime) -> Job:
    return services.start(
        viewer=cast.viewer_of(cast.owner_trader),
        organisation=cast.owner,
        kind=Job.Kind.OFFER_IMPORT,
        subject=7,
        steps=40,
        task="supply.import_offers",
        now=now,
    )


def test_the_task_is_queued_when_the_job_is_written(
    cast: Cast,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: object,
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(current_app, "send_task", lambda *task: sent.append(task))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        viewer = cast.viewer_of(cast.owner_trader)
        facts = {"organisation": cast.owner, "kind": Job.Kind.OFFER_IMPORT, "subject": 7, "steps": 1}
        started = services.start(viewer=viewer, task="supply.import_offers", now=now, **facts)
        assert sent == []
    assert sent == [("supply.import_offers", [started.pk])]


def test_a_page_says_how_far_it_is_and_asks_again_while_it_goes_on(
    job: Job, client: Client, cast: Cast
) -> None:
    cache.clear()
    client.force_login(cast.owner_viewer)
    said: list[str] = []

    def work(running: Job) -> str:
        services.report(running, 12)
        said.append(client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode())
        return "/offers/"

    services.carry_out(job.pk, work)
    said.append(client.get(f"/jobs/{job.pk}/").content.decode())

    assert "<strong>12</strong> of 40 are done" in said[0]
    assert "every 2s" in said[0]
    assert "It is done." in said[1]
    assert "every 2s" not in said[1]


def test_a_refusal_ends_it_in_words(job: Job) -> None:
    def work(_job: Job) -> str:
        raise DomainError("The cards are gone.")

    services.carry_out(job.pk, work)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.FAILED, "The cards are gone.")


def test_what_breaks_is_raised_for_the_operators_and_said_without_its_details(job: Job) -> None:
    def work(_job: Job) -> str:
        raise RuntimeError("secret")

    with pytest.raises(RuntimeError):
        services.carry_out(job.pk, work)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "secret" not in job.error


def test_a_job_that_has_ended_is_not_done_again(job: Job) -> None:
    done: list[int] = []
    for _ in range(2):
        services.carry_out(job.pk, lambda running: str(done.append(running.pk)))
    assert done == [job.pk]
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["job.started", "job.done"]
