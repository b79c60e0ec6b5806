"""What surrounds every page: navigation, theme, zone, refusals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import include, path
from django.utils import timezone

from accounts.actors import Capability, Viewer
from marketplace.errors import DomainError
from marketplace.web import context, views
from marketplace.web.middleware import DomainErrorMiddleware, ReaderZoneMiddleware
from marketplace.web.navigation import navigation


def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(timezone.get_current_timezone_name())


def room(slice_name: str, *names: str) -> object:
    return path(
        f"{slice_name}/", include(([path(f"{name}/", answer, name=name) for name in names], slice_name))
    )


urlpatterns = [
    room("clearing", "board"),
    room("supply", "offers"),
    room("demand", "requests"),
    room("audit", "overview", "parked"),
]

pytestmark = pytest.mark.urls(__name__)


def request_of(*, kind: str = "", role: str = "", url: str = "/", **cookies: str) -> HttpRequest:
    request = RequestFactory().get(url)
    request.COOKIES.update(cookies)
    request.organisation = SimpleNamespace(kind=kind, time_zone="Europe/Berlin") if kind else None  # type: ignore[attr-defined]
    request.user = SimpleNamespace(platform_role=role, is_authenticated=True)  # type: ignore[assignment]
    return request


@pytest.mark.parametrize(
    ("kind", "role", "labels"),
    [
        ("", "", ["Market"]),
        ("owner", "", ["Market", "Offers", "Utilisation"]),
        ("buyer", "", ["Market", "Requests"]),
        ("", "auditor", ["Market", "Utilisation", "Parked work"]),
        ("", "operator", ["Market", "Utilisation", "Parked work"]),
    ],
)
def test_everybody_sees_the_rooms_that_are_theirs(kind: str, role: str, labels: list[str]) -> None:
    assert [str(item["label"]) for item in navigation(request_of(kind=kind, role=role))] == labels


@pytest.mark.parametrize(
    ("capability", "labels"),
    [
        (Capability.READ, ["Market"]),
        (Capability.TRADE, ["Market", "Find compute"]),
        (Capability.FINANCE, ["Market", "Usage", "Invoices"]),
    ],
)
@pytest.mark.urls("marketplace.urls")
def test_no_room_is_named_that_would_refuse(capability: Capability, labels: list[str]) -> None:
    request = request_of(kind="buyer")
    request.organisation.pk = 1  # type: ignore[attr-defined]
    request.viewer = Viewer(None, {1: frozenset({Capability.READ, capability})})  # type: ignore[attr-defined]
    shown = {str(item["label"]) for item in navigation(request)}

    assert shown & {"Market", "Find compute", "Usage", "Invoices"} == set(labels)


@pytest.mark.urls("marketplace.urls")
def test_who_works_for_no_organisation_is_not_led_to_its_team() -> None:
    shown = [context.account_links(request_of(kind=kind)) for kind in ("buyer", "")]

    assert [bool(links["team"]) for links in shown] == [True, False]
    assert [bool(links["tokens"]) for links in shown] == [True, False]


def test_the_room_one_is_in_is_marked_and_badges_count() -> None:
    items = navigation(request_of(kind="owner", url="/supply/offers/12/"), {"supply:offers": 3})
    assert [(item["active"], item["badge"]) for item in items] == [(False, 0), (True, 3), (False, 0)]


@pytest.mark.parametrize(
    ("cookie", "theme"), [("ink", "ink"), ("paper", "paper"), ('x" onload="', ""), ("", "")]
)
def test_the_theme_is_one_of_two_or_the_systems(cookie: str, theme: str) -> None:
    assert context.page(request_of(theme=cookie))["theme"] == theme


@pytest.mark.parametrize(
    ("cookie", "kind", "zone"),
    [
        ("Asia/Shanghai", "owner", "Asia/Shanghai"),
        ("", "owner", "Europe/Berlin"),
        ("No/Where", "owner", "Europe/Berlin"),
        ("../../etc/passwd", "", "UTC"),
        ("", "", "UTC"),
    ],
)
def test_times_are_in_the_browsers_zone_else_the_organisations(cookie: str, kind: str, zone: str) -> None:
    response = ReaderZoneMiddleware(answer)(request_of(kind=kind, zone=cookie))
    assert response.content.decode() == zone


def refuse(request: HttpRequest) -> HttpResponse | None:
    return DomainErrorMiddleware(answer).process_exception(request, DomainError("The offer is sold."))


def test_a_refusal_is_a_page_that_says_what_happened() -> None:
    response = refuse(request_of())
    assert response is not None
    assert response.status_code == 409
    assert "The offer is sold." in response.content.decode()


def test_to_htmx_a_refusal_is_a_toast() -> None:
    request = request_of()
    request.htmx = True  # type: ignore[attr-defined]
    response = refuse(request)
    assert response is not None
    assert '"The offer is sold."' in response.headers["HX-Trigger"]


def test_the_way_back_never_leads_to_another_site() -> None:
    request = request_of()
    request.META["HTTP_REFERER"] = "http://elsewhere.example/"
    response = refuse(request)
    assert response is not None
    assert "elsewhere" not in response.content.decode()


def test_other_errors_are_not_refusals() -> None:
    assert DomainErrorMiddleware(answer).process_exception(request_of(), RuntimeError("broken")) is None


def test_the_style_guide_is_shown_where_it_is_wanted() -> None:
    with override_settings(STYLEGUIDE=True):
        assert views.styleguide(request_of()).status_code == 200


def test_elsewhere_there_is_no_style_guide() -> None:
    with override_settings(STYLEGUIDE=False), pytest.raises(views.Http404):
        views.styleguide(request_of())
