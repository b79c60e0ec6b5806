"""Access details, encrypted at the site for the buyer's organisation.

HPKE (RFC 9180): X25519, HKDF-SHA256, ChaCha20-Poly1305. Bound to their delivery, so what was sealed for one
is not opened as another's.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from marketplace.agent.errors import AgentError

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class NoKey(AgentError):
    """What the exchange tells is no public key."""


def seal(details: Mapping[str, str], *, public_key: str, delivery: int) -> str:
    """``public_key`` is 32 bytes in base64, as the exchange tells it with the delivery."""
    try:
        key = X25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
    except ValueError as error:
        raise NoKey(
            f"The key of D{delivery}'s buyer is none: its access details cannot be sealed."
        ) from error
    text = json.dumps(details, sort_keys=True).encode()
    return b64encode(SUITE.encrypt(text, key, info_of(delivery))).decode()


def info_of(delivery: int) -> bytes:
    return f"cardhour access details of delivery {delivery}".encode()
