"""What the cards of a site do while nobody has bought them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.actors import Actor
from marketplace.agents.models import Agent, IdleCardHour


@transaction.atomic
def store_idle_hour(
    *, agent: Agent, slot: datetime, cards: Mapping[str, Mapping[str, int]], now: datetime
) -> int:
    """Keep what an agent tells of its idle cards in an hour. Told again, it takes the place of what was."""
    rows = [
        IdleCardHour(site=agent.site, slot=slot, card=card, meters=dict(meters))
        for card, meters in cards.items()
    ]
    IdleCardHour.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["site", "slot", "card"], update_fields=["meters"]
    )
    audit.record(
        actor=Actor(token=agent.token),
        action="agent.idle_hour_stored",
        target=agent,
        organisation=agent.site.owner_id,
        now=now,
        data={"slot": slot.isoformat(), "cards": len(rows)},
    )
    return len(rows)
