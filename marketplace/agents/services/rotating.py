"""An agent's next key: announced under the key of today, valid from its first use on."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor
from marketplace.agents.keys import key_id_of
from marketplace.agents.models import Agent
from marketplace.errors import DomainError


class KeyTaken(DomainError):
    code = "agent_key_taken"
    title = gettext_noop("The key is in use")


@transaction.atomic
def announce_key(*, agent: Agent, public_key: str, now: datetime) -> Agent:
    """Until the new key is used, both work. Announcing it again changes nothing; another one replaces it."""
    locked = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
    if locked.next_key == public_key:
        return locked
    if Agent.objects.filter(Q(public_key=public_key) | Q(next_key=public_key)).exists():
        raise KeyTaken(_("Make a new key: this one is, or was announced as, an agent’s."))
    locked.next_key = public_key
    locked.save(update_fields=["next_key"])
    _record(locked, "agent.key_announced", public_key, now)
    return locked


@transaction.atomic
def begin_next_key(*, agent: Agent, public_key: str, now: datetime) -> None:
    """The next key was used: the one before it ends. Of two requests that come at once, one does it."""
    changed = Agent.objects.filter(pk=agent.pk, next_key=public_key).update(
        public_key=public_key, next_key="", key_since=now
    )
    if changed:
        _record(agent, "agent.key_rotated", public_key, now)


def _record(agent: Agent, action: str, public_key: str, now: datetime) -> None:
    audit.record(
        actor=Actor(token=agent.token),
        action=action,
        target=agent,
        organisation=agent.token.organisation_id,
        now=now,
        data={"key": key_id_of(public_key)},
    )
