"""Sites whose days are added up, and policies to hold them against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from marketplace.audit.compliance.models import Policy
from marketplace.audit.findings.models import Finding, FindingSubject
from marketplace.audit.utilisation.models import FleetDay, RolledUntil
from marketplace.supply.models import Fleet

NOW = datetime(2026, 2, 28, 8, 20, tzinfo=UTC)
MIDNIGHT = datetime(2026, 2, 28, tzinfo=UTC)
A_DAY = timedelta(days=1)
SECONDS_A_DAY = 86_400


def make_policy(kind: str = "utilisation", **facts: Any) -> Policy:
    """Ten days of at least 40 % active, with a band of 5 points and seven days to cure."""
    usual: dict[str, Any] = {
        "slug": f"p-{kind}",
        "version": 1,
        "kind": kind,
        "level": "active" if kind == "utilisation" else "",
        "title_en": f"A rule about {kind}",
        "title_zh": f"关于 {kind} 的规则",
        "threshold": Decimal("0.4"),
        "warning": Decimal("0.05"),
        "window_days": 10,
        "cure_days": 7,
        "valid_from": datetime(2025, 1, 1, tzinfo=UTC),
        "source": "a law",
        "is_example": False,
        "enacted_at": datetime(2025, 1, 1, tzinfo=UTC),
    }
    return Policy.objects.create(**(usual | facts))


def added_up(since: datetime = MIDNIGHT - 60 * A_DAY) -> None:
    RolledUntil.objects.create(
        since=since, until=MIDNIGHT + 8 * A_DAY / 24, rolled_at=NOW, reading=0, charge_run=0, seal=0
    )


def days(fleet: Fleet, *active: int, sold: int = 100, **facts: int) -> None:
    """The last whole days of a fleet: so many percent of its installed cards were active."""
    whole = fleet.cards * SECONDS_A_DAY
    FleetDay.objects.bulk_create(
        FleetDay(
            fleet=fleet,
            starts_at=MIDNIGHT - (len(active) - number) * A_DAY,
            installed=whole,
            offered=whole,
            sold=whole * sold // 100,
            allocated=whole * percent // 100,
            active=whole * percent // 100,
            **facts,
        )
        for number, percent in enumerate(active)
    )


def confirmed(agreement: Any, state: str = "confirmed") -> Finding:
    closed = {"closed_at": NOW, "reason": "It is a sham."} if state in {"confirmed", "dismissed"} else {}
    finding = Finding.objects.create(
        detector="self_dealing",
        version=1,
        key=f"A{agreement.pk}",
        severity=3,
        starts_at=NOW - A_DAY,
        ends_at=NOW,
        statistics={},
        thresholds={},
        state=state,
        found_at=NOW,
        seen_at=NOW,
        **closed,
    )
    site = agreement.allocation.offer.fleet.site
    FindingSubject.objects.create(
        finding=finding, organisation=agreement.owner, site=site, agreement=agreement
    )
    return finding
