"""The dossier of a site: everything known about it in one place, for a page, a PDF and programs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.actors import Viewer
from billing.invoicing.pdf import FONTS, write_pdf
from marketplace.agents.models import Agent
from marketplace.agents.selectors import agents_for
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import placed_for
from marketplace.audit.compliance import wording
from marketplace.audit.compliance.genuine import doubtful_agreements
from marketplace.audit.compliance.measuring import A_DAY, last_midnight
from marketplace.audit.compliance.selectors import Assessment, assess
from marketplace.audit.findings.models import Finding, FindingSubject
from marketplace.audit.findings.selectors import findings_for
from marketplace.audit.utilisation.figures import AsOf
from marketplace.audit.utilisation.models import LEVELS
from marketplace.audit.utilisation.selectors import SitePeriod, as_of, site_periods
from marketplace.delivery.models import AcceptanceTest
from marketplace.energy.selectors import Power, power_of
from marketplace.supply.models import Fleet, Site

SECONDS_AN_HOUR = 3600
A_YEAR = timedelta(days=366)
SHOWN = 25


@dataclass(frozen=True, slots=True)
class Month:
    """Card-hours of each level; ``active_share`` of what was installed, and how much of it is known."""

    starts_at: datetime
    levels: dict[str, Decimal]
    active_share: Decimal | None
    completeness: Decimal | None


@dataclass(frozen=True, slots=True)
class Judged:
    """An assessment with its words."""

    assessment: Assessment
    required: str
    measured: str
    outlook: str
    inputs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Energy:
    """Means over the last whole day; ``told`` of its 24 hours are not the owner's yearly declaration."""

    pue: Decimal
    grid: Decimal
    renewable_share: Decimal
    told: int


@dataclass(frozen=True, slots=True)
class Dossier:
    site: Site
    now: datetime
    as_of: AsOf | None
    fleets: Sequence[Fleet]
    months: Sequence[Month]
    judged: Sequence[Judged]
    agreements: Sequence[tuple[Agreement, bool]]
    agreements_in_all: int
    findings: Sequence[Finding]
    energy: Energy
    tests: Sequence[AcceptanceTest]
    tests_in_all: int
    tests_failed: int
    agents: Sequence[Agent]

    @property
    def cards(self) -> int:
        return sum(fleet.cards for fleet in self.fleets)

    @property
    def in_breach(self) -> int:
        return sum(each.assessment.status in {"breach", "curing"} for each in self.judged)


def of_site(site: Site, *, viewer: Viewer, now: datetime) -> Dossier:
    """Of a site that the viewer may see. Findings are those that it may see."""
    agreements = placed_for(viewer).filter(allocation__offer__fleet__site=site)
    doubtful = doubtful_agreements() if viewer.sees_everything else set()
    tests = AcceptanceTest.objects.filter(delivery__site=site).order_by("-at", "-pk")
    about = FindingSubject.objects.filter(site=site).values("finding")
    return Dossier(
        site=site,
        now=now,
        as_of=as_of(),
        fleets=list(Fleet.objects.filter(site=site).select_related("model").order_by("pk")),
        months=list(_months(site, now)),
        judged=[judged(each) for each in assess(site, now=now)],
        agreements=[(each, each.pk in doubtful) for each in agreements[:SHOWN]],
        agreements_in_all=agreements.count(),
        findings=list(findings_for(viewer).filter(pk__in=about)[:SHOWN]),
        energy=_energy(power_of(site, last_midnight(now) - A_DAY, last_midnight(now))),
        tests=list(tests[:SHOWN]),
        tests_in_all=tests.count(),
        tests_failed=tests.filter(passed=False).count(),
        agents=list(agents_for(viewer).filter(site=site)),
    )


def judged(assessment: Assessment) -> Judged:
    return Judged(
        assessment=assessment,
        required=wording.required(assessment.policy),
        measured=wording.measured(assessment),
        outlook=wording.outlook(assessment),
        inputs=list(wording.inputs(assessment)),
    )


def _months(site: Site, now: datetime) -> Iterator[Month]:
    """The last twelve, oldest first; the one under way as far as it is added up."""
    first = (now - A_YEAR).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for period in site_periods([site.pk], start=first, end=now, grain="month"):
        yield _month(period)


def _month(period: SitePeriod) -> Month:
    figures = period.figures
    levels = {level: Decimal(getattr(figures, level)) / SECONDS_AN_HOUR for level in LEVELS}
    return Month(period.starts_at, levels, figures.active_share, figures.completeness)


def _energy(hours: Sequence[Power]) -> Energy:
    def mean(name: str) -> Decimal:
        return sum((getattr(hour, name) for hour in hours), Decimal(0)) / len(hours)

    told = sum(hour.is_hourly for hour in hours)
    return Energy(mean("pue"), mean("grid"), mean("renewable_share"), told)


def pdf_of(found: Dossier, *, language: str) -> bytes:
    """The dossier to print; times are UTC."""
    with translation.override(language), timezone.override(UTC):
        context = {"dossier": found, "site": found.site, "fonts": FONTS.as_uri()}
        html = render_to_string("compliance/dossier_print.html", context)
    named = f"dossier {found.site.pk} {found.now.isoformat()} {language}"
    return write_pdf(html, identifier=hashlib.sha256(named.encode()).digest())


def facts_of(found: Dossier) -> dict[str, Any]:
    """For programs: decimal strings and UTC."""
    site = found.site
    return {
        "site": site.pk,
        "name_en": site.name_en,
        "name_zh": site.name_zh,
        "owner": site.owner_id,
        "region": site.region.slug,
        "hub": site.region.zone.slug,
        "verification": site.verification,
        "as_of": found.now.isoformat(),
        "added_up_until": found.as_of and found.as_of.until.isoformat(),
        "fleets": [
            {"fleet": fleet.pk, "model": fleet.model.slug, "cards": fleet.cards} for fleet in found.fleets
        ],
        "months": [
            {
                "starts_at": month.starts_at.isoformat(),
                "card_hours": {level: f"{amount:f}" for level, amount in month.levels.items()},
                "completeness": month.completeness and f"{month.completeness:f}",
            }
            for month in found.months
        ],
        "policies": [wording.facts_of(each.assessment) for each in found.judged],
        "agreements": [
            {"agreement": each.pk, "under_confirmed_finding": doubtful} for each, doubtful in found.agreements
        ],
        "agreements_in_all": found.agreements_in_all,
        "findings": [
            {"finding": each.pk, "detector": each.detector, "severity": each.severity, "state": each.state}
            for each in found.findings
        ],
        "energy": {
            "pue": f"{found.energy.pue:f}",
            "grid_gco2_per_kwh": f"{found.energy.grid:f}",
            "renewable_share": f"{found.energy.renewable_share:f}",
            "hours_told": found.energy.told,
        },
        "acceptance": {"tests": found.tests_in_all, "failed": found.tests_failed},
        "agents": [
            {"agent": each.pk, "seen_at": each.seen_at and each.seen_at.isoformat()} for each in found.agents
        ],
    }
