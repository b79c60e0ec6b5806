"""Agents that are enrolled, for the tests.

Whatever a test sends through Django's client with the token of one of them is signed with its key, as the
real agent signs. ``EnrolledAgent.secret`` unsigned is a stolen token: ``stolen`` sends it so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import RequestFactory

from accounts.actors import Viewer, viewer_of_token
from accounts.authentication import SHOWN, digest_of, new_secret
from accounts.models import ApiToken, Organisation, Scope
from marketplace.agent.identity import Identity, Key
from marketplace.agent.signing import SignedBy, signature
from marketplace.agents.models import Agent
from marketplace.clock import market_now
from marketplace.supply.models import Site
from tests.factories import site_of

HOST = "http://testserver"
IDENTITIES: dict[str, Identity] = {}
"""Of the agents that were enrolled in this process, by their tokens."""


@dataclass(frozen=True)
class EnrolledAgent:
    agent: Agent
    identity: Identity

    @property
    def secret(self) -> str:
        return self.identity.token

    @property
    def viewer(self) -> Viewer:
        return viewer_of_token(self.agent.token, site=self.agent.site_id)

    @property
    def auth(self) -> SignedBy:
        """For httpx."""
        return SignedBy(lambda: self.identity)

    def headers(self, method: str, path: str, body: bytes = b"", **headers: str) -> dict[str, str]:
        """All headers of a request, with its signature; for clients that are not Django's."""
        made = signature(method, HOST + path, headers, body, self.identity.key, at=time.time())
        return headers | made | {"Authorization": f"Bearer {self.secret}"}


def enrolled_at(site: Site, *, scopes: tuple[str, ...] = (Scope.AGENT,)) -> EnrolledAgent:
    """A new agent of a site, beside those that it may have."""
    key, secret = Key.new(), new_secret()
    token = ApiToken.objects.create(
        organisation=site.owner,
        name=f"{' and '.join(scopes)} token",
        digest=digest_of(secret),
        prefix=secret[:SHOWN],
        scopes=list(scopes),
    )
    now = market_now()
    agent = Agent.objects.create(
        site=site, token=token, public_key=key.public, enrolled_at=now, key_since=now
    )
    IDENTITIES[secret] = Identity(HOST, key, secret)
    return EnrolledAgent(agent, IDENTITIES[secret])


def agent_of(organisation: Organisation) -> EnrolledAgent:
    return enrolled_at(site_of(organisation))


@contextmanager
def stolen(secret: str) -> Iterator[None]:
    """Inside, the token is sent without the key."""
    identity = IDENTITIES.pop(secret)
    yield
    IDENTITIES[secret] = identity


@contextmanager
def clients_that_sign() -> Iterator[None]:
    """Every test client of Django and of DRF makes its requests by this method."""
    generic = RequestFactory.generic

    def signing(
        self: RequestFactory, method: str, path: str, data: Any = "", *rest: Any, **request: Any
    ) -> Any:
        headers = dict(request.get("headers") or {})
        kept = {**self.defaults, **getattr(self, "_credentials", {})}  # of DRF's client
        authorization = headers.get("Authorization") or kept.get("HTTP_AUTHORIZATION") or ""
        identity = IDENTITIES.get(authorization.removeprefix("Bearer "))
        path = path.removeprefix(HOST)
        if identity is None or "Signature" in headers:
            return generic(self, method, path, data, *rest, **request)
        if parameters := request.pop("query_params", None):
            path += f"?{urlencode(parameters)}"
        body = data.encode() if isinstance(data, str) else bytes(data)
        content_type = rest[0] if rest else request.get("content_type", "application/octet-stream")
        told = headers | ({"Content-Type": content_type} if body else {})
        request["headers"] = headers | _signature(identity, method, path, body, told)
        return generic(self, method, path, body, *rest, **request)

    patch = pytest.MonkeyPatch()
    patch.setattr(RequestFactory, "generic", signing)
    yield
    patch.undo()


def _signature(
    identity: Identity, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, str]:
    return signature(method, HOST + path, dict(headers), body, identity.key, at=time.time())
