"""What a case is about: from its subject to the agreements of which a pack holds everything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from marketplace.agreements.models import Agreement
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.rows import rows_of
from marketplace.audit.findings.models import Evidence, Finding, FindingMessage, FindingSubject
from marketplace.delivery.models import Delivery
from marketplace.errors import InvalidInput
from marketplace.supply.models import Site

MOST_AGREEMENTS = 2_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The agreements and sites of a case, and the rows of the case itself where it has some of its own.

    Agreements are taken whole, never a part of one: otherwise their charges would not add up to lines.
    """

    agreements: Collection[int]
    sites: Collection[int]
    own: dict[str, list[dict[str, Any]]]


def scope_of(pack: EvidencePack) -> Scope:
    """``InvalidInput`` where the case is too large for one pack."""
    match pack.case:
        case EvidencePack.Case.AGREEMENT:
            scope = of_agreements([pack.subject])
        case EvidencePack.Case.SITE:
            scope = _of_site(pack.subject, pack.starts_at, pack.ends_at)
        case _:
            scope = _of_finding(pack.subject)
    if len(scope.agreements) > MOST_AGREEMENTS:
        raise InvalidInput(
            _("%(count)s agreements are more than the %(most)s of a pack. Choose a shorter window.")
            % {"count": len(scope.agreements), "most": MOST_AGREEMENTS}
        )
    return scope


def of_agreements(ids: Collection[int]) -> Scope:
    """With a term agreement come its call-offs, with a call-off its term agreement and nothing else of it."""
    named = Agreement.objects.filter(pk__in=ids)
    terms = set(named.filter(kind=Agreement.Kind.TERM).values_list("term", flat=True))
    found = Agreement.objects.filter(Q(pk__in=ids) | Q(term__in=terms))
    sites = found.exclude(allocation=None).values_list("allocation__offer__fleet__site", flat=True)
    return Scope(agreements=sorted(found.values_list("pk", flat=True)), sites=sorted(set(sites)), own={})


def _of_site(site: int, start: datetime | None, end: datetime | None) -> Scope:
    """Every agreement of which something was to be delivered at the site in the window."""
    found = Agreement.objects.filter(
        allocation__offer__fleet__site=site, starts_at__lt=end, ends_at__gt=start
    )
    return Scope(agreements=sorted(found.values_list("pk", flat=True)), sites=[site], own={})


def _of_finding(finding: int) -> Scope:
    """Every agreement that the finding is about or rests on, with the finding's own rows.

    What auditors noted among themselves and wrote to subjects is part of the case.
    """
    subjects = FindingSubject.objects.filter(finding=finding)
    evidence = Evidence.objects.filter(finding=finding)
    read = _named(evidence, "delivery") | _named(evidence, "metered_hour")
    deliveries = Delivery.objects.filter(
        Q(pk__in=subjects.exclude(delivery=None).values("delivery")) | Q(pk__in=read)
    )
    named = {
        *subjects.exclude(agreement=None).values_list("agreement", flat=True),
        *deliveries.values_list("agreement", flat=True),
        *_named(evidence, "agreement"),
    }
    scope = of_agreements(named)
    sites = {*scope.sites, *subjects.exclude(site=None).values_list("site", flat=True)}
    own = {
        "findings": rows_of(Finding.objects.filter(pk=finding)),
        "finding_subjects": rows_of(subjects.order_by("pk")),
        "finding_evidence": rows_of(evidence.order_by("pk")),
        "finding_messages": rows_of(FindingMessage.objects.filter(finding=finding).order_by("pk")),
    }
    return replace(scope, sites=sorted(sites), own=own)


def _named(evidence: QuerySet[Evidence], kind: str) -> set[int]:
    """The ids of the rows of a kind that a finding rests on; those of hours begin with their delivery’s."""
    rows = (row.split("/")[0] for row in evidence.filter(kind=kind).values_list("row", flat=True))
    return {int(row) for row in rows if row.isdigit()}


def subject_exists(case: str, subject: int) -> bool:
    match case:
        case EvidencePack.Case.AGREEMENT:
            return Agreement.objects.filter(pk=subject).exists()
        case EvidencePack.Case.SITE:
            return Site.objects.filter(pk=subject).exists()
    return Finding.objects.filter(pk=subject).exists()
