"""API requests with ``Authorization: Bearer chk_…``.

A token acts for its organisation with the capabilities of its scopes. Only the SHA-256 of a token is
stored: it has 256 random bits, so a slow hash would protect nothing and cost every request.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.actors import Viewer, viewer_of_token
from accounts.models import ApiToken, Scope
from accounts.requests import PageRequest

PREFIX = "chk_"
SHOWN = len(PREFIX) + 6
REFUSED = _("The API token is unknown, expired or revoked. Create a new one under Team and tokens.")


@dataclass(frozen=True, slots=True)
class TokenPrincipal:
    """Stands where DRF and its throttles expect a user."""

    token: ApiToken

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        return f"token:{self.token.pk}"

    def __str__(self) -> str:
        return str(self.token)


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class BearerTokenAuthentication(BaseAuthentication):
    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[TokenPrincipal, ApiToken] | None:
        scheme, _space, credentials = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = _usable_token(credentials.strip(), wall_now=datetime.now(UTC))
        django_request = cast("PageRequest", request._request)  # noqa: SLF001 DRF's way to the Django request
        django_request.viewer = self.viewer_of(token, django_request)
        django_request.organisation = token.organisation
        return TokenPrincipal(token), token

    def viewer_of(self, token: ApiToken, request: PageRequest) -> Viewer:  # noqa: ARG002 who asks is for others
        """What the token may see and do. An agent's is worth nothing without more: ``marketplace.agents``."""
        if Scope.AGENT in token.scopes:
            raise AuthenticationFailed(REFUSED)
        return viewer_of_token(token)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return f'{self.keyword} realm="api"'


def _usable_token(secret: str, *, wall_now: datetime) -> ApiToken:
    """The token of a secret. Tokens expire in wall time, whatever the speed of the market's clock.

    A token dies with the account of the person who made it, for that person has seen the secret.
    """
    tokens = ApiToken.objects.select_related("organisation", "created_by")
    token = tokens.filter(digest=digest_of(secret), revoked_at=None).first()
    if token is None or (token.expires_at is not None and token.expires_at <= wall_now):
        raise AuthenticationFailed(REFUSED)
    if token.created_by is not None and not token.created_by.is_active:
        raise AuthenticationFailed(REFUSED)
    return token
