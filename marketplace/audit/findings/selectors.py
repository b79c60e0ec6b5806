"""Reading findings: auditors and operators see all, administrators those about their organisation."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Value

from accounts.actors import Capability, Viewer
from accounts.models import Organisation, User
from marketplace.audit.findings.models import (
    UNDER_WAY,
    Evidence,
    Finding,
    FindingMessage,
    FindingSubject,
    OwnershipLink,
)
from marketplace.supply.models import Site


def findings_for(viewer: Viewer) -> QuerySet[Finding]:
    """The gravest first. Nobody else but administrators learns that there is one about their organisation.

    ``about_others`` says that it is about somebody of whom the viewer is not told: its figures are kept from
    the viewer then, for they tell of both.
    """
    rows = Finding.objects.select_related("owner").order_by("-severity", "-pk")
    if viewer.sees_everything:
        return rows.annotate(about_others=Value(False))
    mine = _administered(viewer)
    others = FindingSubject.objects.filter(finding=OuterRef("pk")).exclude(organisation__in=mine)
    about = FindingSubject.objects.filter(organisation__in=mine).values("finding")
    return rows.filter(pk__in=about).annotate(about_others=Exists(others))


def is_about_others(finding: Finding) -> bool:
    """Of one that ``findings_for`` gave."""
    return bool(finding.about_others)  # type: ignore[attr-defined]  # annotated


def with_subjects(findings: QuerySet[Finding], viewer: Viewer) -> QuerySet[Finding]:
    """Each with those of its subjects that the viewer may know of."""
    return findings.prefetch_related(Prefetch("subjects", queryset=_subjects(viewer)))


def subjects_of(finding: Finding, viewer: Viewer) -> QuerySet[FindingSubject]:
    return _subjects(viewer).filter(finding=finding)


def _subjects(viewer: Viewer) -> QuerySet[FindingSubject]:
    rows = FindingSubject.objects.select_related("organisation", "site", "agreement", "delivery").order_by(
        "pk"
    )
    return rows if viewer.sees_everything else rows.filter(organisation__in=_administered(viewer))


def evidence_of(finding: Finding, viewer: Viewer) -> QuerySet[Evidence]:
    """All for auditors; for a subject the rows that are its own."""
    rows = Evidence.objects.filter(finding=finding).order_by("pk")
    return rows if viewer.sees_everything else rows.filter(parties__overlap=_administered(viewer))


def messages_of(finding: Finding, viewer: Viewer) -> QuerySet[FindingMessage]:
    """What auditors and a subject wrote to each other; notes and other subjects' words are for auditors."""
    rows = (
        FindingMessage.objects.filter(finding=finding).select_related("organisation", "author").order_by("pk")
    )
    return rows if viewer.sees_everything else rows.filter(organisation__in=_administered(viewer))


def answers_as(finding: Finding, viewer: Viewer) -> QuerySet[Organisation]:
    """The organisations for which the viewer may answer."""
    about = FindingSubject.objects.filter(finding=finding, organisation__in=_administered(viewer))
    return Organisation.objects.filter(pk__in=about.values("organisation")).order_by("pk")


def open_findings(viewer: Viewer, *, site: Site | None = None) -> int:
    """How many are under way, in all or about a site, of those that the viewer may see."""
    rows = findings_for(viewer).filter(state__in=UNDER_WAY)
    if site is not None:
        rows = rows.filter(Q(pk__in=FindingSubject.objects.filter(site=site).values("finding")))
    return rows.count()


def auditors() -> QuerySet[User]:
    return User.objects.filter(platform_role=User.PlatformRole.AUDITOR, is_active=True).order_by("email")


def links_at(moment: datetime) -> QuerySet[OwnershipLink]:
    """Who controlled whom at a moment."""
    return OwnershipLink.objects.filter(since__lte=moment).filter(Q(until=None) | Q(until__gt=moment))


def _administered(viewer: Viewer) -> Collection[int]:
    return viewer.organisations_with(Capability.ADMINISTER)
