"""What ``base.html`` needs on every page.

Reads, and does without when absent:

``request.user``            ``platform_role``, ``is_staff`` and ``memberships`` (with their organisations).
``request.organisation``    the organisation that the user works for now; its ``kind``.
``request.nav_badges``      counts by URL name, e.g. ``{"audit:parked": 3}``.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts.models import User
from marketplace.clock import market_clock
from marketplace.notifications.selectors import unread_count
from marketplace.web.navigation import navigation, resolve

THEMES = ("paper", "ink")


def page(request: HttpRequest) -> dict[str, Any]:
    """Context processor: navigation, clock, theme, organisations, and where their forms post to."""
    theme = request.COOKIES.get("theme", "")
    clock = market_clock()
    return {
        "nav": navigation(request, getattr(request, "nav_badges", None)),
        "market_now": clock.now(),
        "clock_speed": clock.speed,
        "theme": theme if theme in THEMES else "",
        "organisation": getattr(request, "organisation", None),
        "organisations": organisations(request),
        "switch_organisation_url": resolve(["accounts:switch_organisation"]),
        "notifications_url": resolve(["notifications:notifications"]),
        "unread": unread(request),
        "search_url": resolve(["web:search"]),
        "set_language_url": resolve(["set_language"]),
        "account_links": account_links(request),
    }


def unread(request: HttpRequest) -> int:
    """How many notifications the reader has not read."""
    user = getattr(request, "user", None)
    return unread_count(user) if isinstance(user, User) else 0


def organisations(request: HttpRequest) -> list[Any]:
    """The organisations that the user may act for."""
    memberships = getattr(getattr(request, "user", None), "memberships", None)
    return [] if memberships is None else [membership.organisation for membership in memberships.all()]


def account_links(request: HttpRequest) -> dict[str, str]:
    """Addresses of the account pages that are installed; team and tokens only inside an organisation."""
    works = bool(getattr(request, "organisation", None))
    return {
        "home": resolve(["home", "clearing:board"]) or "/",
        "login": resolve(["account_login"]),
        "signup": resolve(["account_signup"]),
        "logout": resolve(["account_logout"]),
        "email": resolve(["account_email"]),
        "password": resolve(["account_change_password"]),
        "mfa": resolve(["mfa_index"]),
        "team": resolve(["accounts:team"]) if works else "",
        "tokens": resolve(["accounts:tokens"]) if works else "",
        "api": resolve(["api:docs"]),
        "admin": resolve(["admin:index"])
        if getattr(getattr(request, "user", None), "is_staff", False)
        else "",
    }
