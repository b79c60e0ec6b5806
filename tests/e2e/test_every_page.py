"""Every page of the table of permissions, opened in a real browser by those who may.

axe-core finds nothing in either theme, nothing is cut off at 320 px, nothing moves while it loads, nothing
comes from elsewhere, and it is light. One visit checks all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page

from accounts.models import User
from tests.cast import Cast
from tests.e2e.browser import chromium
from tests.e2e.served import Visitor
from tests.permissions.table import Row, all_rows

__all__ = ["chromium"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

HEAVIEST = 120_000
MOST_SHIFT = 0.02
# A page is laid out by who reads it; the roles within an organisation differ in buttons that these see too.
READERS = ("admin", "operator", "anonymous")
EVERYTHING = {"resultTypes": ["violations"]}
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
# Once it is painted.
SHOW_THEME = """theme => new Promise(painted => {
    document.documentElement.dataset.theme = theme;
    requestAnimationFrame(() => requestAnimationFrame(painted));
})"""
# Files, answers for scripts, and the pages of other projects.
NO_PAGES = ("/api/", "/healthz", "/readyz", "/metrics")

ROWS = [row for row in all_rows() if row.method == "GET" and not row.name.startswith("api:")]
OF_ALLAUTH = ("account_login", "account_signup", "account_reset_password")
OF_A_PERSON = ("account_email", "account_change_password", "mfa_index", "account_logout")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[[User | None], Visitor]]:
    opened: list[Visitor] = []

    def visitor(user: User | None) -> Visitor:
        client = Client()
        if user is not None:
            client.force_login(user)
        opened.append(Visitor(chromium, client))
        return opened[-1]

    yield visitor
    for each in opened:
        each.close()


Visit = Callable[[User | None], Visitor]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_page_is_sound_for_everybody_who_may_see_it(
    row: Row, visit: Visit, cast: Cast, now: datetime, settings: Any
) -> None:
    settings.STYLEGUIDE = True
    address = reverse(row.name, kwargs=dict(row.given(cast))) + (f"?{row.query}" if row.query else "")
    found = {}
    for reader in READERS:
        if row.expected.get(reader) == 200 and _is_a_page(address, _person(reader, row, cast)):
            visitor = visit(_person(reader, row, cast))
            visitor.open(address)
            found[reader] = _problems(visitor)
    assert {reader: problems for reader, problems in found.items() if problems} == {}


@pytest.mark.parametrize("name", [*OF_ALLAUTH, *OF_A_PERSON])
def test_pages_of_accounts_are_sound(name: str, visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.owner_admin if name in OF_A_PERSON else None)
    visitor.open(reverse(name))
    assert _problems(visitor) == []


def _person(reader: str, row: Row, cast: Cast) -> User | None:
    if reader == "anonymous":
        return None
    return getattr(cast, "operator" if reader == "operator" else f"{row.of}_admin")


def _is_a_page(address: str, user: User | None) -> bool:
    """Whether it is answered by a page and not by a file; a part of a page has no head."""
    if address.startswith(NO_PAGES):
        return False
    client = Client()
    if user is not None:
        client.force_login(user)
    answer = client.get(address)
    is_html = answer.headers["Content-Type"].startswith("text/html")
    return is_html and not answer.streaming and b"<!DOCTYPE html>" in answer.content


def _problems(visitor: Visitor) -> list[str]:
    page = visitor.page
    problems = list(visitor.problems)
    shifted = page.evaluate("window.shifted")
    if shifted > MOST_SHIFT:
        problems.append(f"moves while it loads: {shifted:.3f}")
    if visitor.weight > HEAVIEST:
        problems.append(f"weighs {visitor.weight:,} bytes")
    problems += _axe(page, "paper", EVERYTHING) + _axe(page, "ink", COLOURS)
    return problems + _cut_off(page)


def _axe(page: Page, theme: str, options: dict[str, Any]) -> list[str]:
    page.evaluate(SHOW_THEME, theme)
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{theme}: {each['id']} at {' '.join(str(part) for part in node['target'])}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"][:3]
    ]


def _cut_off(page: Page) -> list[str]:
    """At 320 px a page scrolls in one direction; tables scroll by themselves."""
    page.set_viewport_size({"width": 320, "height": 640})
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"is {over} px wider than 320"] if over > 0 else []
