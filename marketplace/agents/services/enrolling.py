"""A program with a key and a code becomes the agent of a site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor
from accounts.authentication import SHOWN, digest_of, new_secret
from accounts.models import ApiToken, Scope
from marketplace.agents.keys import key_id_of
from marketplace.agents.models import Agent, EnrolmentCode
from marketplace.agents.services.codes import CodeRefused, usable_code
from marketplace.supply.models import Site


@dataclass(frozen=True, slots=True)
class Enrolled:
    """``secret`` is the token's, and never told again."""

    agent: Agent
    secret: str


@transaction.atomic
def enrol(*, code: str, public_key: str, now: datetime, wall_now: datetime) -> Enrolled:
    """Make the owner of a key the agent of the code's site; the site's agent so far ends.

    The caller has seen that the request is signed with the key. Asked again with the same code and key, while
    the code lives, there is the same agent with a new token: the first answer may have been lost.
    ``CodeRefused`` where the code does not work.
    """
    used = usable_code(code, wall_now=wall_now)
    if used.agent is not None:
        return _again(used, used.agent, public_key, now)
    if Agent.objects.filter(public_key=public_key).exists():
        raise CodeRefused(_("This key is an agent’s already. Let the new agent make a key of its own."))
    _end_others(used, now)
    enrolled = create_agent(site=used.site, public_key=public_key, now=now)
    used.agent = enrolled.agent
    used.save(update_fields=["agent"])
    _record(used, enrolled.agent, "agent.enrolled", now)
    return enrolled


def _again(code: EnrolmentCode, agent: Agent, public_key: str, now: datetime) -> Enrolled:
    if agent.public_key != public_key or agent.token.revoked_at is not None:
        raise CodeRefused(_("The code was used before. Make a new one on the site’s page."))
    secret = new_secret()
    ApiToken.objects.filter(pk=agent.token_id).update(digest=digest_of(secret), prefix=secret[:SHOWN])
    _record(code, agent, "agent.enrolled_again", now)
    return Enrolled(agent, secret)


def _end_others(code: EnrolmentCode, now: datetime) -> None:
    """A site has one agent: two would each remove what the other one made."""
    for agent in Agent.objects.filter(site=code.site, token__revoked_at=None).select_related("token"):
        agent.token.revoked_at = now
        agent.token.save(update_fields=["revoked_at"])
        _record(code, agent, "agent.replaced", now)


def create_agent(*, site: Site, public_key: str, now: datetime) -> Enrolled:
    """An agent with its token: what a code leads to, and what the demo begins with.

    The token is made by nobody: no person has seen its secret, so it outlives who made the code.
    """
    secret = new_secret()
    token = ApiToken.objects.create(
        organisation=site.owner,
        name=_("Agent of %(site)s") % {"site": site.name_en[:60]},
        digest=digest_of(secret),
        prefix=secret[:SHOWN],
        scopes=[Scope.AGENT],
    )
    agent = Agent.objects.create(
        site=site, token=token, public_key=public_key, enrolled_at=now, key_since=now
    )
    return Enrolled(agent, secret)


def _record(code: EnrolmentCode, agent: Agent, action: str, now: datetime) -> None:
    audit.record(
        actor=Actor(user=code.created_by),
        action=action,
        target=agent,
        organisation=code.site.owner_id,
        now=now,
        data={"site": code.site_id, "code": code.pk, "key": key_id_of(agent.public_key)},
    )
