"""Reading agents: those of a viewer's sites, and those that were not heard for too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, QuerySet
from django.db.models.functions import Coalesce, Greatest

from accounts.actors import Capability, Viewer
from marketplace.agents.models import Agent, EnrolmentCode, IdleCardHour
from marketplace.supply.models import Site


def agents_for(viewer: Viewer) -> QuerySet[Agent]:
    """The agents in use of the sites that a viewer may read, newest first. One that was revoked is none."""
    agents = Agent.objects.filter(token__revoked_at=None).select_related("site__owner", "token")
    if viewer.sees_everything:
        return agents.order_by("-pk")
    return agents.filter(site__owner__in=viewer.organisations_with(Capability.READ)).order_by("-pk")


def open_code(site: Site, *, wall_now: datetime) -> EnrolmentCode | None:
    """One that can still be used."""
    codes = EnrolmentCode.objects.filter(site=site, revoked_at=None, agent=None, expires_at__gt=wall_now)
    return codes.first()


def silent_after() -> timedelta:
    """In market time. Agents live in wall time, which in a demo goes slower."""
    return settings.AGENT_SILENT_AFTER * settings.CLOCK_SPEED


def silent_sites(now: datetime) -> QuerySet[Site]:
    """Sites of which no agent was heard for too long, each with ``heard_at``.

    A site that never had an agent is none: people may deliver there, and its offers are their business. One
    whose agent was revoked becomes silent as if the agent were dead, for nothing is delivered there.
    """
    heard = Max(Greatest("agents__enrolled_at", Coalesce("agents__seen_at", "agents__enrolled_at")))
    return Site.objects.annotate(heard_at=heard).filter(heard_at__lt=now - silent_after())


@dataclass(frozen=True, slots=True)
class Idle:
    """The idle cards of a site in the last hour that was told. None where nobody told a figure."""

    slot: datetime
    cards: int
    power: int | None
    energy: int | None


def idle_cards(site: Site) -> Idle | None:
    """Power and energy are those of all cards together that told theirs."""
    newest = IdleCardHour.objects.filter(site=site).order_by("-slot").values_list("slot", flat=True).first()
    if newest is None:
        return None
    meters = list(IdleCardHour.objects.filter(site=site, slot=newest).values_list("meters", flat=True))
    return Idle(newest, len(meters), _sum(meters, "power.mean"), _sum(meters, "energy.wh"))


def _sum(meters: Iterable[Mapping[str, int]], name: str) -> int | None:
    told = [one[name] for one in meters if name in one]
    return sum(told) if told else None
