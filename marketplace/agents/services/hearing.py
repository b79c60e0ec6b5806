"""What an agent tells of itself, and what follows where it tells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.actors import Actor, task_actor
from marketplace.agents.models import Agent
from marketplace.agents.selectors import silent_sites
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News, notify
from marketplace.supply.models import Site

ACTOR = task_actor("delivery.miss_agents")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``site_time`` is the site's clock, in seconds since 1970; the other times are the market's."""

    version: str
    driver: str
    unsent: int
    unsent_since: datetime | None
    reconciled_at: datetime | None
    site_time: int


@transaction.atomic
def hear(*, agent: Agent, told: Heartbeat, now: datetime) -> None:
    """Keep what an agent told of itself. Where its site was off the market for its silence, it is back."""
    Agent.objects.filter(pk=agent.pk).update(
        seen_at=now,
        version=told.version,
        driver=told.driver,
        unsent=told.unsent,
        unsent_since=told.unsent_since,
        reconciled_at=told.reconciled_at,
        clock_ahead=_ahead(told.site_time, now),
    )
    back = Site.objects.filter(pk=agent.site_id, agent_silent_since__isnull=False)
    if back.update(agent_silent_since=None):
        _record(agent.site, "site.agent_heard_again", Actor(token=agent.token), now)


def _ahead(site_time: int, now: datetime) -> int | None:
    """Agents do not compare their clock with one that runs faster, as a demo's; neither do we."""
    return site_time - round(now.timestamp()) if settings.CLOCK_SPEED == 1 else None


def miss_agents(*, now: datetime) -> int:
    """Take the new offers of sites with a silent agent off the market, and say so; returns of how many.

    What is sold stays sold. Each site in a transaction of its own, and once: its agent brings it back.
    """
    missed = silent_sites(now).filter(agent_silent_since=None)
    return sum(_miss(site, now) for site in missed.select_related("owner").order_by("pk"))


@transaction.atomic
def _miss(site: Site, now: datetime) -> bool:
    if not silent_sites(now).filter(pk=site.pk).exists():
        return False  # it was heard since
    if not Site.objects.filter(pk=site.pk, agent_silent_since=None).update(agent_silent_since=now):
        return False
    _record(site, "site.agent_silent", ACTOR, now)
    notify(_silence_of(site, now), now=now)
    return True


def _record(site: Site, action: str, actor: Actor, now: datetime) -> None:
    audit.record(actor=actor, action=action, target=site, organisation=site.owner_id, now=now)


def _silence_of(site: Site, now: datetime) -> News:
    return News(
        kind=Kind.AGENT_SILENT,
        organisation=site.owner_id,
        key=f"{site.pk} {now.isoformat()}",
        page=("agents:site", site.pk),
        facts={"site": str(site)},
    )
