"""Ed25519 public keys as text, and how they are named."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils.translation import gettext as _

from marketplace.agents.models import KEY_LENGTH
from marketplace.errors import InvalidInput


def public_key_of(text: str) -> Ed25519PublicKey:
    """The key that a text says; ``InvalidInput`` where it says none, or says it in another way than ours."""
    try:
        raw = urlsafe_b64decode(text + "=")
        key = Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raw, key = b"", None
    if key is None or urlsafe_b64encode(raw).decode().rstrip("=") != text:
        problem = _("Give the 32 bytes of an Ed25519 key in base64url, %(length)s characters.")
        raise InvalidInput(_("The key is not valid."), {"public_key": problem % {"length": KEY_LENGTH}})
    return key


def key_id_of(text: str) -> str:
    """What a signature calls the key by: the SHA-256 of its text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
