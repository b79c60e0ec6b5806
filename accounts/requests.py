"""What the middleware and the API's authentication put on a request, for the type checker."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from accounts.actors import Viewer
from accounts.models import Organisation, User


class PageRequest(HttpRequest):
    """Annotate the request of a page view with this; it is never instantiated."""

    user: User | AnonymousUser
    viewer: Viewer
    organisation: Organisation | None
