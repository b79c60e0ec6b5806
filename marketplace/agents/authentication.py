"""Tokens of the API, of which an agent's is worth nothing without the agent's key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.actors import Viewer, viewer_of_token
from accounts.authentication import REFUSED, BearerTokenAuthentication
from accounts.models import ApiToken, Scope
from accounts.requests import PageRequest
from marketplace.agents.keys import key_id_of, public_key_of
from marketplace.agents.models import Agent
from marketplace.agents.services import begin_next_key
from marketplace.agents.signatures import verify
from marketplace.clock import market_now
from marketplace.errors import NotAllowed


class AgentRequest(PageRequest):
    """A request that an agent signed. Annotate with it; it is never instantiated."""

    agent: Agent


class TokenAuthentication(BearerTokenAuthentication):
    """Every address takes tokens through this one, so none is left at which an agent's counts unsigned."""

    def viewer_of(self, token: ApiToken, request: PageRequest) -> Viewer:
        if Scope.AGENT not in token.scopes:
            return viewer_of_token(token)
        agent = Agent.objects.filter(token=token).first()
        if agent is None:  # made before agents enrolled, or by hand
            raise AuthenticationFailed(REFUSED)
        agent.token = token
        check_signed(agent, request)
        cast("AgentRequest", request).agent = agent
        return viewer_of_token(token, site=agent.site_id)


def check_signed(agent: Agent, request: PageRequest) -> None:
    """``SignatureRefused`` unless the agent's key made it. Its next key becomes its key by that."""
    by_id = {key_id_of(text): text for text in (agent.public_key, agent.next_key) if text}
    keys = {key_id: public_key_of(text) for key_id, text in by_id.items()}
    used = by_id[verify(request, keys, wall_now=datetime.now(UTC))]
    if used != agent.public_key:
        begin_next_key(agent=agent, public_key=used, now=market_now())


def agent_of(request: Request) -> Agent:
    """Who signed the request; ``NotAllowed`` for everybody else."""
    agent: Agent | None = getattr(request._request, "agent", None)  # noqa: SLF001 DRF's way to the Django request
    if agent is None:
        raise NotAllowed("This is for the agents of sites, which enrol with a code of the site’s page.")
    return agent
