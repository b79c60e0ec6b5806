"""What a case is about: from its subject to the agreements of which a pack holds everything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from marketplace.agreements.models import Agreement
from marketplace.audit.evidence.models import EvidencePack
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
    """The one place where findings are plugged in."""
    raise InvalidInput(_("There is no finding %(number)s.") % {"number": finding})


def subject_exists(case: str, subject: int) -> bool:
    match case:
        case EvidencePack.Case.AGREEMENT:
            return Agreement.objects.filter(pk=subject).exists()
        case EvidencePack.Case.SITE:
            return Site.objects.filter(pk=subject).exists()
    return False
