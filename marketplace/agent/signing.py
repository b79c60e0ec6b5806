"""Requests are signed as RFC 9421 says, with Ed25519, over a digest of the body (RFC 9530).

What is signed bears the exchange's time. Where the site's clock is off, the exchange says so once, and the
request is signed again with its time: an agent works however wrong its machine's clock is.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
from http_message_signatures import HTTPMessageSigner, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from marketplace.agent.identity import Identity, Key

TAG = "cardhour-agent"
TARGET = ("@method", "@path", "@query")
SAYS_HOW_TO_READ = re.compile(r"content-type|content-encoding|ce-.+")
STALE = "signature_stale"


@dataclass(slots=True)
class SignedBy(httpx.Auth):
    """Signs each request. ``identity`` is asked each time: the key may be rotated beside a running agent."""

    identity: Callable[[], Identity] = field(repr=False)
    clock: Callable[[], float] = time.time
    behind: float = 0.0
    """How many seconds the site's clock is behind the exchange's, as far as the exchange has said."""

    requires_request_body = True
    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._sign(request)
        response = yield request
        told = exchange_time(response)
        if told is not None:
            self.behind = told - self.clock()
            self._sign(request)
            yield request

    def _sign(self, request: httpx.Request) -> None:
        identity = self.identity()
        if identity.token:
            request.headers["Authorization"] = f"Bearer {identity.token}"
        sign(request, identity.key, at=self.clock() + self.behind)


def sign(request: httpx.Request, key: Key, *, at: float) -> None:
    """Put the signature's headers on a request, in place of those that it has."""
    for name in ("Content-Digest", "Signature", "Signature-Input"):
        request.headers.pop(name, None)
    headers = signature(request.method, str(request.url), dict(request.headers), request.content, key, at=at)
    request.headers.update(headers)


def signature(
    method: str, url: str, headers: dict[str, str], body: bytes, key: Key, *, at: float
) -> dict[str, str]:
    """The headers that sign a request. They cover its target and its body, and how the body is to be read."""
    message = SimpleNamespace(method=method, url=url, headers=dict(headers))
    how = [name.lower() for name in headers if SAYS_HOW_TO_READ.fullmatch(name.lower())]
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={key.name: key.private}),
    )
    signer.sign(
        message,
        key_id=key.name,
        created=datetime.fromtimestamp(at, UTC),
        nonce=secrets.token_urlsafe(16),
        label="agent",
        tag=TAG,
        covered_component_ids=(*TARGET, *how),
        body=body,
    )
    return {name: message.headers[name] for name in ("Content-Digest", "Signature", "Signature-Input")}


def exchange_time(response: httpx.Response) -> float | None:
    """What time it is there, where the exchange refused a signature as stale."""
    if response.status_code != 401:
        return None
    try:
        problem = response.json()
    except ValueError:
        return None
    is_stale = isinstance(problem, dict) and problem.get("code") == STALE
    return float(problem["exchange_time"]) if is_stale else None
