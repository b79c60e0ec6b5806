"""Asking for a pack, and making it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Viewer
from marketplace.audit.evidence.cases import subject_exists
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.packing import STEPS, one_moment, pack
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job

TASK = "audit.make_evidence_pack"
LONGEST_WINDOW = timedelta(days=366)


@transaction.atomic
def request_pack(
    *,
    viewer: Viewer,
    case: str,
    subject: int,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Job:
    """Start the job that makes a pack of the case as it is now.

    For auditors and operators: a pack is a copy of what they may read, and it being made is recorded.
    """
    if viewer.actor is None or viewer.actor.user is None or not viewer.sees_everything:
        raise NotAllowed(_("Packs of evidence are made by auditors and operators."))
    if not subject_exists(case, subject):
        problem = _("There is no such case: %(case)s %(subject)s.") % {"case": case, "subject": subject}
        raise InvalidInput(_("Nothing was packed."), {"subject": problem})
    _check_window(case, starts_at, ends_at)
    asked = EvidencePack.objects.create(
        case=case,
        subject=subject,
        starts_at=starts_at,
        ends_at=ends_at,
        as_of=now,
        language=translation.get_language() or "en",
        made_for=viewer.actor.user,
    )
    _record(viewer.actor, "evidence.requested", asked, now)
    return jobs.start(
        viewer=viewer,
        organisation=None,
        kind=Job.Kind.EVIDENCE_PACK,
        subject=asked.pk,
        steps=STEPS,
        task=TASK,
        now=now,
    )


def _check_window(case: str, starts_at: datetime | None, ends_at: datetime | None) -> None:
    if case != EvidencePack.Case.SITE:
        return
    if starts_at is None or ends_at is None or starts_at >= ends_at:
        raise InvalidInput(_("Nothing was packed."), {"ends_at": _("Choose an end after the start.")})
    if ends_at - starts_at > LONGEST_WINDOW:
        raise InvalidInput(_("Nothing was packed."), {"ends_at": _("Choose a window of at most a year.")})


def make_pack(job: Job, *, now: datetime) -> str:
    """The work of the job; a pack that is there already is not made again."""
    asked = EvidencePack.objects.select_related("made_for").get(pk=job.subject)
    if not asked.is_made:
        # Links for the last events of the case: somebody else may be sealing, and then the pack says so.
        audit.seal()
        with one_moment():
            packed = pack(asked, report=lambda done: jobs.report(job, done))
        with transaction.atomic():
            asked.content, asked.digest, asked.size = packed.content, packed.digest, len(packed.content)
            asked.manifest_digest, asked.verifier_digest = packed.manifest_digest, packed.verifier_digest
            asked.save(update_fields=["content", "digest", "size", "manifest_digest", "verifier_digest"])
            _record(Actor(user=job.started_by), "evidence.made", asked, now, sha256=asked.digest)
    return reverse("evidence:pack", args=[asked.pk])


def record_download(*, viewer: Viewer, asked: EvidencePack, now: datetime) -> None:
    """Each download is written down, in a transaction of its own, before a byte of it leaves."""
    if viewer.actor is not None:
        with transaction.atomic():
            _record(viewer.actor, "evidence.downloaded", asked, now, sha256=asked.digest)


def _record(actor: Actor, action: str, asked: EvidencePack, now: datetime, **data: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=asked,
        now=now,
        data={"case": asked.case, "subject": asked.subject, **data},
    )
