"""The life of a finding: found, looked at, answered, confirmed or dismissed. Each step is attributed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import Organisation, User
from marketplace.audit.findings.cases import MOST_ROWS, Case, as_json
from marketplace.audit.findings.models import (
    CLOSED,
    UNDER_WAY,
    Evidence,
    Finding,
    FindingMessage,
    FindingSubject,
    OwnershipLink,
    Severity,
    State,
)
from marketplace.audit.findings.thresholds import Thresholds
from marketplace.errors import DomainError, InvalidInput, NotAllowed
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News, notify_all

FINDING_LOCK = 0xF1D1
LONGEST = 4000


class FindingClosed(DomainError):
    code = "finding_closed"
    title = gettext_noop("The finding is closed")


@dataclass(frozen=True, slots=True)
class Detected:
    """A case, and by which version of which detector's thresholds."""

    case: Case
    detector: str
    thresholds: Thresholds


@transaction.atomic
def report(detected: Detected, *, actor: Actor, now: datetime) -> tuple[Finding | None, bool]:
    """Keep what a detector saw; returns the finding, and whether it is new.

    A case that is under way gets the evidence that it did not have. One that was judged stays judged, and
    there is no finding, until the whole window of what is seen lies after what the judgement was about.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FINDING_LOCK])
    case = detected.case
    findings = Finding.objects.select_for_update(no_key=True).filter(detector=detected.detector, key=case.key)
    known = findings.order_by("-pk").first()
    if known is not None and known.is_closed and case.window.start < known.ends_at:
        return None, False
    is_new = known is None or known.is_closed
    finding = (
        _found(detected, now=now) if known is None or known.is_closed else _seen_again(known, detected, now)
    )
    added = _keep(finding, case, now=now)
    if is_new or added:
        audit.record(
            actor=actor,
            action="finding.found" if is_new else "finding.seen_again",
            target=finding,
            now=now,
            data={
                "detector": detected.detector,
                "version": detected.thresholds.version,
                "key": case.key,
                "statistics": finding.statistics,
                "evidence_added": added,
            },
        )
        # Who was told before is not told again; one whom it is about only now is.
        _tell(finding, Kind.FINDING, now=now)
    return finding, is_new


def _found(detected: Detected, *, now: datetime) -> Finding:
    case = detected.case
    return Finding.objects.create(
        detector=detected.detector,
        version=detected.thresholds.version,
        key=case.key,
        severity=case.severity,
        starts_at=case.window.start,
        ends_at=case.window.end,
        statistics=as_json(case.statistics),
        thresholds=as_json(detected.thresholds.values),
        found_at=now,
        seen_at=now,
    )


def _seen_again(finding: Finding, detected: Detected, now: datetime) -> Finding:
    """The newest statistics count, and the gravest severity."""
    case = detected.case
    finding.version = detected.thresholds.version
    finding.thresholds = as_json(detected.thresholds.values)
    finding.statistics = as_json(case.statistics)
    finding.severity = max(Severity(finding.severity), case.severity)
    finding.starts_at = min(finding.starts_at, case.window.start)
    finding.ends_at = max(finding.ends_at, case.window.end)
    finding.seen_at = now
    finding.save()
    return finding


def _keep(finding: Finding, case: Case, *, now: datetime) -> int:
    """Subjects and evidence that the finding did not have; returns how many pieces of evidence."""
    FindingSubject.objects.bulk_create(
        (
            FindingSubject(
                finding=finding,
                organisation_id=one.organisation,
                site_id=one.site,
                agreement_id=one.agreement,
                delivery_id=one.delivery,
            )
            for one in case.subjects
        ),
        ignore_conflicts=True,
    )
    known = set(Evidence.objects.filter(finding=finding).values_list("digest", flat=True))
    rows = {row.digest: row for row in case.evidence if row.digest not in known}
    new = list(rows.items())[:MOST_ROWS]
    Evidence.objects.bulk_create(
        Evidence(
            finding=finding,
            kind=row.kind,
            row=row.row,
            facts=dict(row.facts),
            digest=digest,
            parties=list(row.parties),
            added_at=now,
        )
        for digest, row in new
    )
    return len(new)


@transaction.atomic
def assign(*, viewer: Viewer, finding: Finding, auditor: User, now: datetime) -> Finding:
    """Let an auditor look after it; auditors assign to themselves and to each other."""
    actor = _auditing(viewer)
    if auditor.platform_role != User.PlatformRole.AUDITOR or not auditor.is_active:
        raise InvalidInput(_("Nobody was assigned."), {"auditor": _("Choose an auditor.")})
    locked = _under_way(finding)
    before = locked.owner_id
    locked.owner, locked.state = auditor, State.LOOKING
    locked.save(update_fields=["owner", "state"])
    data = {"before": before, "after": auditor.pk}
    audit.record(actor=actor, action="finding.assigned", target=locked, now=now, data=data)
    return locked


@transaction.atomic
def write(
    *, viewer: Viewer, finding: Finding, organisation: Organisation | None, text: str, now: datetime
) -> FindingMessage:
    """An auditor writes to a subject, or a note for auditors only."""
    actor = _auditing(viewer)
    locked = _under_way(finding)
    if organisation is not None:
        _check_subject(locked, organisation)
    message = FindingMessage.objects.create(
        finding=locked,
        organisation=organisation,
        by_auditor=True,
        author=actor.user,
        text=_checked(text),
        written_at=now,
    )
    to = organisation.pk if organisation is not None else None
    audit.record(
        actor=actor, action="finding.written", target=locked, now=now, data={"to": to, "message": message.pk}
    )
    if organisation is not None:
        _tell(locked, Kind.FINDING_NEWS, now=now, key=f"m{message.pk}", only=organisation.pk)
    return message


@transaction.atomic
def answer(
    *, viewer: Viewer, finding: Finding, organisation: Organisation, text: str, now: datetime
) -> FindingMessage:
    """An administrator of a subject says something about it; the finding is answered then."""
    actor = viewer.require(Capability.ADMINISTER, organisation.pk)
    locked = _under_way(finding)
    _check_subject(locked, organisation)
    message = FindingMessage.objects.create(
        finding=locked,
        organisation=organisation,
        by_auditor=False,
        author=actor.user,
        text=_checked(text),
        written_at=now,
    )
    if locked.state != State.ANSWERED:
        locked.state = State.ANSWERED
        locked.save(update_fields=["state"])
    audit.record(
        actor=actor,
        action="finding.answered",
        target=locked,
        now=now,
        organisation=organisation,
        data={"message": message.pk},
    )
    return message


@transaction.atomic
def close(*, viewer: Viewer, finding: Finding, outcome: str, reason: str, now: datetime) -> Finding:
    """Confirm or dismiss it. The subjects read the reason."""
    actor = _auditing(viewer)
    locked = _under_way(finding)
    wrong = {}
    if outcome not in CLOSED:
        wrong["outcome"] = _("Confirm or dismiss it.")
    if not reason.strip():
        wrong["reason"] = _("Say why. The subjects read it.")
    if wrong:
        raise InvalidInput(_("The finding stays as it is."), wrong)
    locked.state, locked.reason, locked.closed_at = outcome, reason.strip()[:2000], now
    locked.save(update_fields=["state", "reason", "closed_at"])
    audit.record(
        actor=actor, action=f"finding.{outcome}", target=locked, now=now, data={"reason": locked.reason}
    )
    _tell(locked, Kind.FINDING_NEWS, now=now, key="closed")
    return locked


@transaction.atomic
def enter_link(link: OwnershipLink, *, actor: Actor, now: datetime) -> None:
    """Keep who controls whom, as an operator found it in a source."""
    if actor.user is None:
        raise NotAllowed(_("Only people enter who controls whom."))
    link.entered_by, link.entered_at = actor.user, now
    link.save(force_insert=True)
    data = {"controller": link.controller_id, "controlled": link.controlled_id, "source": link.source}
    audit.record(actor=actor, action="ownership.entered", target=link, now=now, data=data)


@transaction.atomic
def end_link(link: OwnershipLink, *, until: datetime, actor: Actor, now: datetime) -> None:
    link.until = until
    link.save(update_fields=["until"])
    audit.record(
        actor=actor, action="ownership.ended", target=link, now=now, data={"until": until.isoformat()}
    )


def _auditing(viewer: Viewer) -> Actor:
    if viewer.actor is None or not viewer.is_auditor:
        raise NotAllowed(_("Auditors judge findings, and nobody else does."))
    return viewer.actor


def _under_way(finding: Finding) -> Finding:
    """The finding, locked."""
    locked = Finding.objects.select_for_update(no_key=True).get(pk=finding.pk)
    if locked.state not in UNDER_WAY:
        raise FindingClosed(
            _("%(finding)s was closed. What is seen anew is a finding of its own.") % {"finding": locked}
        )
    return locked


def _check_subject(finding: Finding, organisation: Organisation) -> None:
    if not finding.subjects.filter(organisation=organisation).exists():
        raise InvalidInput(_("Nothing was entered."), {"organisation": _("The finding is not about it.")})


def _checked(text: str) -> str:
    said = text.strip()
    if not said or len(said) > LONGEST:
        problem = _("Write something, of at most %(most)s characters.") % {"most": LONGEST}
        raise InvalidInput(_("Nothing was entered."), {"text": problem})
    return said


def _tell(finding: Finding, kind: Kind, *, now: datetime, key: str = "", only: int | None = None) -> None:
    subjects = finding.subjects.values_list("organisation", flat=True)
    parties = {only} if only is not None else set(subjects)
    notify_all(
        [
            News(
                kind=kind,
                organisation=party,
                key=f"{finding.pk}{key and '/'}{key}",
                page=("findings:finding", finding.pk),
                facts={"finding": str(finding)},
            )
            for party in sorted(parties)
        ],
        now=now,
    )
