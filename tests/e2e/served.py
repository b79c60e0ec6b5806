"""Pages in a real browser without a server: Django's test client renders them, the browser gets them.

So the browser shows what the transaction of the test has written, and nothing has to be taken back
afterwards. What a page asks for later by script is answered with nothing. What it needs is counted as it
travels: compressed.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

# A browser trusts it as it trusts https, and nothing listens there.
ORIGIN = "http://localhost:8999"
STATIC = "/static/"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


class Visitor:
    """A browser whose requests one client answers. ``problems`` says what a page must not do."""

    def __init__(self, chromium: Browser, client: Client) -> None:
        self.client = client
        self.problems: list[str] = []
        self.weight = 0
        self.address = ""
        self.answer = HttpResponse()
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        self.context.add_init_script(SHIFTS)
        self.context.route("**/*", self._answer)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, address: str) -> None:
        self.address = address
        self.answer = self.client.get(address)
        self.weight = len(gzip.compress(self.answer.content))
        self.page.goto(ORIGIN + address, wait_until="networkidle")

    def close(self) -> None:
        self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.type}: {message.text}")

    def _answer(self, route: Route) -> None:
        asked = urlsplit(route.request.url)
        if f"{asked.scheme}://{asked.netloc}" != ORIGIN:
            self.problems.append(f"asked another origin: {route.request.url}")
            route.abort()
        elif asked.path.startswith(STATIC):
            self._file(route, asked.path.removeprefix(STATIC))
        elif f"{asked.path}?{asked.query}".rstrip("?") == self.address:
            headers = dict(self.answer.items())
            route.fulfill(status=self.answer.status_code, headers=headers, body=self.answer.content)
        else:
            route.fulfill(status=204)

    def _file(self, route: Route, name: str) -> None:
        found = finders.find(name)
        if not isinstance(found, str):
            self.problems.append(f"there is no file {name}")
            route.abort()
            return
        body = Path(found).read_bytes()
        self.weight += len(gzip.compress(body))
        route.fulfill(status=200, body=body, content_type=TYPES.get(Path(found).suffix, "image/x-icon"))
