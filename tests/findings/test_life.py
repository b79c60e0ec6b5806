"""The life of a finding, who sees it, and what nobody can do to it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import translation

from accounts.actors import task_actor
from accounts.models import AuditEvent
from marketplace.audit.findings import services
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.models import Evidence, Finding, FindingMessage, OwnershipLink, Severity
from marketplace.audit.findings.selectors import (
    evidence_of,
    findings_for,
    messages_of,
    open_findings,
    subjects_of,
)
from marketplace.audit.findings.services import Detected, FindingClosed, report
from marketplace.audit.findings.thresholds import thresholds_of
from marketplace.audit.findings.wording import sentence_of
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.notifications.models import Notification
from marketplace.notifications.selectors import in_words
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import make_site

MACHINE = task_actor("audit.detect")
WEEK = timedelta(days=7)


def row(number: int, *parties: int) -> Row:
    return Row("agreement", str(number), {"card_hours": 8, "value": "80.5"}, parties)


def case_of(cast: Cast, *, rows: int = 1) -> Case:
    """A sham between the owner and the buyer, with a row of theirs, and one of a third party."""
    return Case(
        key=f"{cast.buyer.pk}>{cast.owner.pk}",
        severity=Severity.WARNING,
        window=Window(NOW - WEEK, NOW),
        statistics={"share": Decimal("0.3"), "agreements": 2, "card_hours": 96, "tie": "control"},
        subjects=(Subject(cast.buyer.pk), Subject(cast.owner.pk, site=make_site(cast.owner).pk)),
        evidence=(
            row(99, cast.other_owner.pk),
            *(row(number, cast.buyer.pk, cast.owner.pk) for number in range(rows)),
        ),
    )


def found(case: Case, *, detector: str = "related-parties") -> tuple[Finding | None, bool]:
    return report(Detected(case, detector, thresholds_of(detector)), actor=MACHINE, now=NOW)


def the_finding(cast: Cast) -> Finding:
    finding, _is_new = found(case_of(cast))
    assert finding is not None
    return finding


@pytest.mark.django_db
def test_a_case_that_is_seen_again_makes_no_second_finding_and_adds_its_evidence(cast: Cast) -> None:
    case = case_of(cast)
    first, is_new = found(case)
    worse = replace(
        case,
        severity=Severity.SERIOUS,
        window=Window(case.window.start + WEEK, case.window.end + WEEK),
        statistics=case.statistics | {"share": Decimal("0.6")},
        evidence=(*case.evidence, row(7, cast.buyer.pk, cast.owner.pk)),
    )

    again, is_new_again = found(worse)
    found(worse)

    assert (is_new, is_new_again) == (True, False)
    assert again == first
    finding = Finding.objects.get()
    assert (finding.severity, finding.statistics["share"]) == (Severity.SERIOUS, "0.6")
    assert (finding.starts_at, finding.ends_at) == (case.window.start, case.window.end + WEEK)
    assert Evidence.objects.count() == 3
    assert finding.thresholds["least_card_hours"] == "24"
    actions = AuditEvent.objects.filter(object_type="findings.finding").values_list("action", flat=True)
    assert list(actions) == ["finding.found", "finding.seen_again"]


def test_a_row_that_was_corrected_is_another_piece_of_evidence() -> None:
    told = row(1, 1)
    corrected = replace(told, facts=told.facts | {"value": "80.6"})
    said = '{"facts":{"card_hours":8,"value":"80.5"},"kind":"agreement","row":"1"}'
    assert told.digest == hashlib.sha256(said.encode()).hexdigest()
    assert told.digest != corrected.digest


def test_what_was_judged_stays_judged_and_what_comes_later_is_a_finding_of_its_own(cast: Cast) -> None:
    finding = the_finding(cast)
    auditor = cast.viewer_of(cast.auditor)
    services.close(viewer=auditor, finding=finding, outcome="dismissed", reason="Market prices.", now=NOW)
    case = case_of(cast)

    assert found(case) == (None, False)
    later = replace(case, window=Window(NOW, NOW + WEEK))
    second, is_new = found(later)

    assert is_new
    assert second != finding
    with pytest.raises(FindingClosed):
        services.close(viewer=auditor, finding=finding, outcome="confirmed", reason="No.", now=NOW)


def test_from_open_to_confirmed(cast: Cast) -> None:
    finding, auditor = the_finding(cast), cast.viewer_of(cast.auditor)

    services.assign(viewer=auditor, finding=finding, auditor=cast.auditor, now=NOW)
    assert Finding.objects.get().state == "looking"
    services.write(viewer=auditor, finding=finding, organisation=cast.owner, text="Why?", now=NOW)
    admin = cast.viewer_of(cast.owner_admin)
    services.answer(viewer=admin, finding=finding, organisation=cast.owner, text="Because.", now=NOW)
    assert Finding.objects.get().state == "answered"
    services.close(viewer=auditor, finding=finding, outcome="confirmed", reason="It is so.", now=NOW)

    closed = Finding.objects.get()
    assert (closed.state, closed.owner, closed.reason) == ("confirmed", cast.auditor, "It is so.")
    events = AuditEvent.objects.filter(object_type="findings.finding").order_by("pk")
    assert [(event.action, event.user) for event in events] == [
        ("finding.found", None),
        ("finding.assigned", cast.auditor),
        ("finding.written", cast.auditor),
        ("finding.answered", cast.owner_admin),
        ("finding.confirmed", cast.auditor),
    ]


def test_a_subject_sees_itself_and_nothing_of_the_others(cast: Cast) -> None:
    finding, auditor = the_finding(cast), cast.viewer_of(cast.auditor)
    for organisation in (cast.owner, cast.buyer, None):
        services.write(viewer=auditor, finding=finding, organisation=organisation, text="?", now=NOW)
    admin = cast.viewer_of(cast.owner_admin)

    assert list(findings_for(admin)) == [finding]
    assert findings_for(admin).get().about_others
    assert not findings_for(auditor).get().about_others
    assert [one.organisation for one in subjects_of(finding, admin)] == [cast.owner]
    assert [one.row for one in evidence_of(finding, admin)] == ["0"]
    assert [one.organisation for one in messages_of(finding, admin)] == [cast.owner]
    assert evidence_of(finding, auditor).count() == 2
    assert messages_of(finding, auditor).count() == 3
    site = subjects_of(finding, auditor).get(organisation=cast.owner).site
    assert (open_findings(auditor), open_findings(auditor, site=site)) == (1, 1)


@pytest.mark.parametrize("who", ["owner_viewer", "owner_trader", "owner_finance", "stranger"])
def test_nobody_but_its_administrators_learns_of_it(cast: Cast, who: str) -> None:
    the_finding(cast)
    assert not findings_for(cast.viewer_of(getattr(cast, who))).exists()


def test_operators_read_and_only_auditors_judge(cast: Cast) -> None:
    finding, operator = the_finding(cast), cast.viewer_of(cast.operator)
    assert findings_for(operator).get() == finding
    with pytest.raises(NotAllowed):
        services.close(viewer=operator, finding=finding, outcome="dismissed", reason="No.", now=NOW)
    with pytest.raises(InvalidInput):
        services.assign(viewer=cast.viewer_of(cast.auditor), finding=finding, auditor=cast.operator, now=NOW)


def test_whom_it_is_about_is_told_in_its_language(cast: Cast) -> None:
    assert [cast.owner_admin, cast.owner_trader, cast.buyer_admin]
    finding = the_finding(cast)

    told = Notification.objects.order_by("user")
    assert {one.user for one in told} == {cast.owner_admin, cast.buyer_admin}
    with translation.override("en"):
        line = in_words(told[0])
    assert (line.url, str(finding) in line.text) == (f"/findings/{finding.pk}/", True)


def test_what_was_found_and_said_is_kept(cast: Cast) -> None:
    finding = the_finding(cast)
    services.write(
        viewer=cast.viewer_of(cast.auditor), finding=finding, organisation=None, text="Odd.", now=NOW
    )
    for change in (
        lambda: FindingMessage.objects.update(text="Fine."),
        lambda: Evidence.objects.all().delete(),
        lambda: Finding.objects.update(key="other"),
        lambda: Finding.objects.update(state="confirmed"),
        lambda: connection.cursor().execute("TRUNCATE findings_finding CASCADE"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_documents_itself_and_has_thresholds(name: str) -> None:
    detector = DETECTORS[name]
    limits = thresholds_of(name)
    assert limits.version >= 1
    document = " ".join((detector.__doc__ or "").split())
    assert all(word in document for word in ("Suspicious", "Statistic", "Not suspicious:"))
    finding = Finding(detector=name, statistics=dict.fromkeys(detector.figures, "1"))
    assert "%(" not in sentence_of(finding)


def test_an_operator_enters_who_controls_whom_and_ends_it(cast: Cast, client: Client) -> None:
    client.force_login(cast.operator)
    entered = {
        "controller": cast.owner.pk, "controlled": cast.buyer.pk, "since_0": "2026-01-01", "since_1": "00:00",
        "until_0": "", "until_1": "", "source": "company register, sheet 4",
    }  # fmt: skip
    answer = client.post("/admin/findings/ownershiplink/add/", entered)
    link = OwnershipLink.objects.get()
    ended = {"until_0": "2026-02-01", "until_1": "00:00"}
    client.post(f"/admin/findings/ownershiplink/{link.pk}/change/", ended)

    assert answer.status_code == 302
    link.refresh_from_db()
    assert (link.entered_by, link.until.month) == (cast.operator, 2)
    actions = AuditEvent.objects.filter(object_type="findings.ownershiplink").values_list("action", flat=True)
    assert set(actions) == {"ownership.entered", "ownership.ended"}
