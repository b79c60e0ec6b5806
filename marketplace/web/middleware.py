"""Shows times in the reader's zone, and turns refusals into pages."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from marketplace.errors import DomainError

GetResponse = Callable[[HttpRequest], HttpResponse]


class ReaderZoneMiddleware:
    """Activates the zone that the browser told us in the cookie ``zone``, else the organisation's.

    Programs read the API, and get UTC whoever asks.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            return self.get_response(request)
        name = request.COOKIES.get("zone", "")
        zone = zone_of(name) or zone_of(getattr(getattr(request, "organisation", None), "time_zone", ""))
        with timezone.override(zone):
            return self.get_response(request)


class ExpiredLoginMiddleware:
    """Nobody is led from the middle of a page to the login: a part of a page that needs one says so."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_part = getattr(request, "htmx", False) and response.status_code == HTTPStatus.FOUND
        if not is_part or not response.headers["Location"].startswith(resolve_url(settings.LOGIN_URL)):
            return response
        said = _("You are not signed in any more. What you typed is kept: sign in again and go on.")
        refusal = HttpResponse(status=HTTPStatus.UNAUTHORIZED)
        return trigger_client_event(refusal, "toast", {"text": said, "tone": "attention"})


class DomainErrorMiddleware:
    """A refusal becomes a page that says what to do; to an htmx request it is a toast."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        if getattr(request, "htmx", False):
            response = HttpResponse(status=exception.status)
            return trigger_client_event(response, "toast", {"text": exception.message, "tone": "harm"})
        back = request.headers.get("Referer", "")
        here = back.startswith(f"{request.scheme}://{request.get_host()}/")
        context = {"error": exception, "back": back if here else ""}
        return render(request, "refused.html", context, status=exception.status)


def zone_of(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of that name, or None when there is none."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
