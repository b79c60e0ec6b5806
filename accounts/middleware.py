"""Puts ``viewer`` and ``organisation`` on every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.actors import Viewer, viewer_of_user
from accounts.models import Membership, Organisation, User
from accounts.requests import PageRequest

SESSION_KEY = "organisation"


class OrganisationMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        request = cast("PageRequest", http_request)
        # Nothing is read before somebody asks: a health probe or a static file costs no query.
        request.viewer = cast("Viewer", SimpleLazyObject(lambda: _viewer(request)))
        request.organisation = cast("Organisation", SimpleLazyObject(lambda: _organisation(request)))
        return self.get_response(request)


def _load_memberships(user: User) -> None:
    """Once a request, and with one query: viewer, organisation and the switch in the header all ask."""
    memberships = Membership.objects.select_related("organisation")
    prefetch_related_objects([user], Prefetch("memberships", memberships))


def _viewer(request: PageRequest) -> Viewer:
    user: User | AnonymousUser = request.user
    if isinstance(user, User):
        _load_memberships(user)
    return viewer_of_user(user)


def _mine(request: PageRequest) -> list[Organisation]:
    """Those that the user is a member of, oldest membership first."""
    if not isinstance(request.user, User):
        return []
    _load_memberships(request.user)
    return [m.organisation for m in sorted(request.user.memberships.all(), key=lambda m: m.pk)]


def _organisation(request: PageRequest) -> Organisation | None:
    """The organisation that the user works for now: the one chosen last, or the first."""
    mine = _mine(request)
    chosen = request.session.get(SESSION_KEY) if mine else None
    return next((o for o in mine if o.pk == chosen), mine[0] if mine else None)
