"""Puts ``request.viewer`` and ``request.organisation`` on every request of a page."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.actors import Viewer, viewer_of_user
from accounts.models import Organisation, User

SESSION_KEY = "organisation"


class OrganisationMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.viewer = SimpleLazyObject(lambda: _viewer(request))
        request.organisation = SimpleLazyObject(lambda: _organisation(request))
        return self.get_response(request)


def _viewer(request: HttpRequest) -> Viewer:
    user: User | AnonymousUser = request.user
    if isinstance(user, User):
        prefetch_related_objects([user], "memberships__organisation")
    return viewer_of_user(user)


def _organisation(request: HttpRequest) -> Organisation | None:
    """The organisation that the user works for now: the one chosen last, or the first."""
    if not isinstance(request.user, User):
        return None
    prefetch_related_objects([request.user], "memberships__organisation")
    mine = {m.organisation_id: m.organisation for m in request.user.memberships.all()}
    chosen = mine.get(request.session.get(SESSION_KEY, 0))
    return chosen or next(iter(mine.values()), None)
