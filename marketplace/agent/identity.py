"""Who the agent is to its exchange: an address, a key and a token, in one file that nobody else reads.

The file is replaced as a whole, so that a kill leaves the one before or the one after. A key is on disk
before the exchange hears of it: whatever answer is lost, the agent can still sign.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.agent.errors import SiteProblem

OPEN_TO_OTHERS = 0o077


class BadIdentity(SiteProblem):
    """Names the file and what to do about it."""


@dataclass(frozen=True, slots=True)
class Key:
    """An Ed25519 key pair. ``secret`` is the private one: 32 bytes, in base64url."""

    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(_text(Ed25519PrivateKey.generate().private_bytes_raw()))

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(self.secret + "="))

    @property
    def public(self) -> str:
        """As the exchange is told it."""
        return _text(self.private.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """What signatures call it by."""
        return hashlib.sha256(self.public.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """``token`` is empty before the exchange gave one; ``next_key`` follows, where one does."""

    url: str
    key: Key
    token: str = field(default="", repr=False)
    next_key: Key | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of an agent that is enrolled; ``BadIdentity`` otherwise."""
        identity = cls.read_unfinished(path)
        if identity is None or not identity.token:
            raise BadIdentity(
                f"This agent is not enrolled ({path} holds no token). On the exchange, on the page of the "
                "site, an administrator makes a code: cardhour-agent enrol <url> --code <code>"
            )
        return identity

    @classmethod
    def read_unfinished(cls, path: Path) -> Self | None:
        """What there is; None where there is no file."""
        try:
            mode = path.stat().st_mode
            told = json.loads(path.read_text(encoding="utf-8"))
            key, next_key = Key(told["key"]), told["next_key"]
            found = cls(told["url"], key, told["token"], Key(next_key) if next_key else None)
            key.private  # noqa: B018 a key that is none is found here
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadIdentity(f"{path} cannot be read ({error!r}). Move it away and enrol anew.") from error
        if mode & OPEN_TO_OTHERS:
            raise BadIdentity(f"{path} is open to others, and it holds the agent's key: chmod 600 {path}")
        return found

    def write(self, path: Path) -> None:
        """All of it or nothing, on disk, and never open to others."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        told = asdict(self) | {
            "key": self.key.secret,
            "next_key": self.next_key.secret if self.next_key else "",
        }
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def with_next_key(self) -> Self:
        return replace(self, next_key=self.next_key or Key.new())

    def rotated(self) -> Self:
        """The next key is the key."""
        if self.next_key is None:
            raise BadIdentity("There is no next key.")
        return replace(self, key=self.next_key, next_key=None)


def checked_address(url: str) -> str:
    """Over the network the token goes encrypted."""
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise SiteProblem(f"The exchange's address is “{url}”; it begins with https://.")
    return url


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
