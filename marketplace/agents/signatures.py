"""HTTP Message Signatures (RFC 9421) with Ed25519, over Content-Digest (RFC 9530), as agents make them.

A signature covers the method, the path, the query, the digest of the body, and whatever header says how the
body is to be read. It does not cover the host, which a proxy may change: a key is enrolled at one exchange
only. ``created`` is in wall time and may be off by ``TOLERANCE``; who is told that it was stale is told the
exchange's time too and reckons with that from then on, so a site's clock may be as wrong as it likes. A
``nonce`` is taken once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from http_message_signatures import HTTPMessageVerifier, algorithms
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from http_message_signatures.resolvers import MappingKeyResolver

from marketplace.errors import DomainError

TAG = "cardhour-agent"
TOLERANCE = timedelta(seconds=60)
ALWAYS = ("@method", "@path", "@query", "content-digest")
SAYS_HOW_TO_READ = re.compile(r"content-type|content-encoding|ce-.+")
NONCE = re.compile(r"[!-~]{16,64}")


class SignatureRefused(DomainError):
    status = 401
    auth_header = 'Bearer realm="api"'


class SignatureMissing(SignatureRefused):
    code = "signature_missing"
    title = gettext_noop("The request is not signed")


class SignatureWrong(SignatureRefused):
    code = "signature_wrong"
    title = gettext_noop("The signature does not fit the request")


class KeyUnknown(SignatureRefused):
    code = "signature_key_unknown"
    title = gettext_noop("The request is signed with a key that is not this agent's")


class SignatureStale(SignatureRefused):
    """``exchange_time`` is the exchange's clock, in seconds since 1970."""

    code = "signature_stale"
    title = gettext_noop("The signature is of another time")


class SignatureReplayed(SignatureRefused):
    code = "signature_replayed"
    title = gettext_noop("The request came before")


class Verifier(HTTPMessageVerifier):
    """The library's, which leaves the clock to us: it has one error for whatever is wrong."""

    def validate_created_and_expires(self, sig_input: object, max_age: object = None) -> None:
        """Nothing is checked here; see ``verify``."""


@dataclass(frozen=True, slots=True)
class Signed:
    key_id: str
    created: int
    nonce: str


def verify(request: HttpRequest, keys: Mapping[str, Ed25519PublicKey], *, wall_now: datetime) -> str:
    """The id of the key, of ``keys`` by id, that signed the request; a ``SignatureRefused`` otherwise.

    The order of the checks is deliberate: nothing is remembered of a request that was not signed by a key
    that we know, and who has no such key does not learn more than that.
    """
    if "Signature" not in request.headers or "Signature-Input" not in request.headers:
        raise SignatureMissing(_("An agent signs each of its requests. A token alone does not suffice."))
    signed = _signed(request, keys)
    if abs(signed.created - wall_now.timestamp()) > TOLERANCE.total_seconds():
        told = _("Sign it with the exchange's time, which is %(now)s.") % {"now": wall_now.isoformat()}
        raise SignatureStale(told, exchange_time=int(wall_now.timestamp()))
    kept_for = 2 * TOLERANCE.total_seconds() + 1
    if not cache.add(f"agent-nonce:{signed.key_id}:{signed.nonce}", 1, timeout=kept_for):
        raise SignatureReplayed(_("Each request has a nonce of its own. Sign it anew to send it again."))
    return signed.key_id


def _signed(request: HttpRequest, keys: Mapping[str, Ed25519PublicKey]) -> Signed:
    verifier = Verifier(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys=keys, private_keys={}),
    )
    try:
        [result] = verifier.verify(
            _message(request),
            max_age=None,
            expect_tag=TAG,
            require_components=_to_be_covered(request),
            body=request.body,
        )
    except (HTTPMessageSignaturesException, ValueError) as error:
        if _names_no_key(request, keys):
            raise KeyUnknown(_("This key is unknown, was replaced, or is another agent's.")) from error
        raise SignatureWrong(_("The signature does not fit the request: %(why)s") % {"why": error}) from error
    return _read(result.parameters)


def _message(request: HttpRequest) -> SimpleNamespace:
    """As the library wants a request. Scheme and host are never covered."""
    url = f"https://exchange{quote(request.path)}?{request.META.get('QUERY_STRING', '')}"
    return SimpleNamespace(method=request.method, url=url, headers=dict(request.headers.items()))


def _to_be_covered(request: HttpRequest) -> tuple[str, ...]:
    """Servers make a Content-Type up where a request without a body has none."""
    if not request.body:
        return ALWAYS
    names = (name.lower() for name in request.headers)
    return (*ALWAYS, *(name for name in names if SAYS_HOW_TO_READ.fullmatch(name)))


def _names_no_key(request: HttpRequest, keys: Mapping[str, Ed25519PublicKey]) -> bool:
    named = re.findall(r'keyid="([^"]*)"', request.headers["Signature-Input"])
    return not any(key_id in keys for key_id in named)


def _read(parameters: Mapping[str, Any]) -> Signed:
    created, nonce = parameters.get("created"), parameters.get("nonce")
    if not isinstance(created, int) or not isinstance(nonce, str) or not NONCE.fullmatch(nonce):
        raise SignatureWrong(_("It says when it was made, and a nonce of 16 to 64 characters."))
    return Signed(parameters["keyid"], created, nonce)
