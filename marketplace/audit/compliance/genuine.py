"""Agreements that do not count as purchases: those under a confirmed finding."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from marketplace.agreements.models import Agreement
from marketplace.audit.findings.models import FindingSubject, State
from marketplace.supply.models import Offer, Site
from marketplace.terms.models import TermAgreement

A_DAY = timedelta(days=1)
Held = tuple[datetime, datetime, int]


def doubtful_agreements() -> set[int]:
    """Those that a confirmed finding names; one under way proves nothing yet."""
    named = FindingSubject.objects.filter(finding__state=State.CONFIRMED, agreement__isnull=False)
    return set(Agreement.objects.filter(pk__in=named.values("agreement")).values_list("pk", flat=True))


def sites_with_doubts() -> set[int]:
    """Sites that hold anything for such an agreement."""
    doubtful = doubtful_agreements()
    placed = Site.objects.filter(fleets__offers__allocations__agreement__in=doubtful)
    reserved = Site.objects.filter(fleets__offers__reserved_for__agreements__in=doubtful)
    return {*placed.values_list("pk", flat=True), *reserved.values_list("pk", flat=True)}


def doubtful_seconds(site: Site, *, start: datetime, days: int) -> list[int]:
    """Card-seconds of the site that such agreements hold, on each day from ``start`` on."""
    held = list(_held(site, start, start + days * A_DAY))
    moments = (start + number * A_DAY for number in range(days))
    return [sum(_inside(each, moment, moment + A_DAY) for each in held) for moment in moments]


def _held(site: Site, start: datetime, end: datetime) -> Iterator[Held]:
    """What was placed for them, and what is reserved for those for a term, call-offs included."""
    doubtful = doubtful_agreements()
    terms = list(TermAgreement.objects.filter(agreements__in=doubtful, agreements__kind=Agreement.Kind.TERM))
    placed = Agreement.objects.filter(
        pk__in=doubtful, allocation__offer__fleet__site=site, starts_at__lt=end, ends_at__gt=start
    ).exclude(term__in=terms)
    reserved = Offer.objects.filter(
        reserved_for__in=terms, fleet__site=site, starts_at__lt=end, ends_at__gt=start
    ).exclude(state=Offer.State.WITHDRAWN)
    yield from placed.values_list("starts_at", "ends_at", "cards")
    yield from reserved.values_list("starts_at", "ends_at", "cards")


def _inside(held: Held, start: datetime, end: datetime) -> int:
    since, until, cards = held
    span = min(until, end) - max(since, start)
    return cards * max(span // timedelta(seconds=1), 0)
