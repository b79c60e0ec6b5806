"""How the agent becomes known to the exchange and changes its key. Each may be killed and repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from marketplace.agent.errors import SiteProblem
from marketplace.agent.exchange import Exchange, Refused, connect
from marketplace.agent.identity import Identity, Key, checked_address
from marketplace.agent.signing import SignedBy

UNKNOWN_KEY = "signature_key_unknown"


def enrol(url: str, code: str, path: Path, *, transport: httpx.BaseTransport | None = None) -> dict[str, Any]:
    """Exchange a one-time code for a token, with a key that is made here and stays here."""
    known = Identity.read_unfinished(path)
    if known is not None and known.token:
        raise SiteProblem(
            f"This agent is enrolled already, at {known.url}. To enrol it anew, move {path} away first."
        )
    # Where an answer was lost, the code works again for the key that it was used with, and no other.
    identity = Identity(checked_address(url), known.key if known else Key.new())
    identity.write(path)
    with connect(url, SignedBy(lambda: identity), transport=transport) as client:
        answer = Exchange(client).enrol(code, identity.key.public)
    replace(identity, token=answer["token"]).write(path)
    return answer


def rotate(path: Path, *, transport: httpx.BaseTransport | None = None) -> dict[str, Any]:
    """Announce the next key, use it, and forget the one before.

    Killed between, the next key is in the file, and the exchange knows of it or not: it is tried first.
    """
    identity = Identity.read(path)
    is_going_on = identity.next_key is not None
    identity = identity.with_next_key()
    identity.write(path)
    after = identity.rotated()
    if is_going_on:
        try:
            return _settle(after, path, transport)
        except Refused as refusal:
            if refusal.code != UNKNOWN_KEY:
                raise
    with connect(identity.url, SignedBy(lambda: identity), transport=transport) as client:
        Exchange(client).announce_key(after.key.public)
    return _settle(after, path, transport)


def _settle(after: Identity, path: Path, transport: httpx.BaseTransport | None) -> dict[str, Any]:
    """The first use of the next key ends the one before, at the exchange and then here."""
    with connect(after.url, SignedBy(lambda: after), transport=transport) as client:
        answer = Exchange(client).self()
    after.write(path)
    return answer
