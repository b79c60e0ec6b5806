"""What the middleware and the API's authentication put on a request, for the type checker."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from accounts.actors import Viewer
from accounts.models import Organisation, User

LARGEST_ID = 2**63 - 1


def id_in(text: str) -> int | None:
    """The id that a query string or a form names; ``None`` where it is none that a row could have."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LARGEST_ID)):
        return None
    return int(text) if int(text) <= LARGEST_ID else None


class PageRequest(HttpRequest):
    """Annotate the request of a page view with this; it is never instantiated."""

    user: User | AnonymousUser
    viewer: Viewer
    organisation: Organisation | None
