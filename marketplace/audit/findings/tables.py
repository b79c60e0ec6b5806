"""The queue of findings."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from marketplace.audit.findings.models import Finding, Severity
from marketplace.audit.findings.wording import title_of
from marketplace.web import tables
from marketplace.web.tables import cells


class FindingLine(NamedTuple):
    """A finding with the names of those subjects that the reader may know of."""

    finding: Finding
    subjects: str


TONES = {Severity.NOTICE: "notice", Severity.WARNING: "warning", Severity.SERIOUS: "serious"}


def line_of(finding: Finding) -> FindingLine:
    names = dict.fromkeys(str(one.site or one.organisation) for one in finding.subjects.all())
    return FindingLine(finding, ", ".join(names))


def _severity(line: FindingLine) -> SafeString:
    severity = Severity(line.finding.severity)
    return cells.badge(TONES[severity], severity.label)


FINDINGS: tables.Table[Finding, FindingLine] = tables.registered(
    tables.Table(
        name="findings",
        title=_("Findings"),
        columns=(
            tables.name(
                "finding",
                _("Finding"),
                lambda line: line.finding,
                link=lambda line: reverse("findings:finding", args=[line.finding.pk]),
                sort="pk",
            ),
            tables.text(
                "severity",
                _("Severity"),
                lambda line: Severity(line.finding.severity).label,
                cell=_severity,
                sort="severity",
            ),
            tables.text("title", _("What was seen"), lambda line: title_of(line.finding), width="min-w-48"),
            tables.text("subjects", _("About"), lambda line: line.subjects, width="min-w-40"),
            tables.state(
                "state",
                _("State"),
                lambda line: line.finding.state,
                label=lambda line: line.finding.get_state_display(),
                sort="state",
            ),
            tables.text("owner", _("Auditor"), lambda line: line.finding.owner, sort="owner__email"),
            tables.window(
                "window",
                _("Of the time"),
                lambda line: line.finding.starts_at,
                lambda line: line.finding.ends_at,
            ),
            tables.moment("seen", _("Last seen"), lambda line: line.finding.seen_at, sort="seen_at"),
            tables.aside(
                tables.moment("found", _("Found"), lambda line: line.finding.found_at, sort="found_at")
            ),
            tables.aside(
                tables.text("detector", _("Detector"), lambda line: line.finding.detector, sort="detector")
            ),
        ),
        first="-severity",
    )
)
