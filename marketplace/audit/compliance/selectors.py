"""Policies in force, and how a site stands towards each that holds for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from marketplace.audit.compliance.measuring import Input, last_midnight, measure
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.rolling import A_DAY, Rule, Standing, Status, stand
from marketplace.supply.models import Fleet, Site

# How far back a breach is followed at least, where nothing is to be cured.
LEAST_HISTORY = 7


@dataclass(frozen=True, slots=True)
class Assessment:
    """A policy, how the site stands, the inputs of the figure, and why it is not known where it is not."""

    policy: Policy
    standing: Standing
    inputs: Sequence[Input]
    why_not: str
    window: tuple[datetime, datetime]

    @property
    def status(self) -> Status:
        return self.standing.status


def policies_in_force(at: datetime) -> list[Policy]:
    """Of each policy the newest version that holds by then; who changed what before is in the others."""
    begun = Policy.objects.filter(valid_from__lte=at, enacted_at__lte=at).order_by("slug", "-version")
    return [
        policy for policy in begun.distinct("slug") if policy.valid_until is None or policy.valid_until > at
    ]


def versions_of(slug: str) -> QuerySet[Policy]:
    """Newest first."""
    return Policy.objects.filter(slug=slug).select_related("enacted_by").order_by("-version")


def sites_of(policy: Policy) -> QuerySet[Site]:
    """The sites that it holds for, by where they are and how many cards are installed."""
    sites = Site.objects.annotate(cards=Sum("fleets__cards")).select_related("region__zone", "owner")
    # Residency is about where buyers' work runs, so it holds for sites wherever they are.
    if policy.jurisdiction and policy.kind != Policy.Kind.RESIDENCY:
        sites = sites.filter(region__jurisdiction=policy.jurisdiction)
    size = Q(cards__gte=policy.least_cards) if policy.least_cards else Q()
    if policy.most_cards is not None:
        size &= Q(cards__lte=policy.most_cards) | Q(cards=None)
    return sites.filter(size).order_by("pk")


def rule_of(policy: Policy) -> Rule:
    return Rule(
        is_minimum=policy.is_minimum,
        threshold=policy.threshold,
        warning=policy.warning,
        window=policy.window_days,
        cure=policy.cure_days,
    )


def assess(site: Site, *, now: datetime) -> list[Assessment]:
    """Every policy in force that holds for the site, which the caller may see."""
    cards = Fleet.objects.filter(site=site).aggregate(cards=Sum("cards"))["cards"] or 0
    return [
        assess_one(policy, site, now=now)
        for policy in policies_in_force(now)
        if holds_for(policy, site, cards)
    ]


def assess_one(policy: Policy, site: Site, *, now: datetime) -> Assessment:
    until = last_midnight(now)
    measured = measure(policy, site, now=now, history=max(policy.cure_days, LEAST_HISTORY))
    standing = stand(rule_of(policy), measured.days, until=until.date())
    why = measured.why_not if standing.status == Status.UNKNOWN else ""
    return Assessment(policy, standing, measured.inputs, why, (until - policy.window_days * A_DAY, until))


def holds_for(policy: Policy, site: Site, cards: int) -> bool:
    """The same as ``sites_of``, for one site whose cards are counted."""
    here = policy.kind == Policy.Kind.RESIDENCY or policy.jurisdiction in {"", site.region.jurisdiction}
    return here and policy.least_cards <= cards and (policy.most_cards is None or cards <= policy.most_cards)
