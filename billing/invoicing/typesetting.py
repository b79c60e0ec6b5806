"""WeasyPrint, which is imported here and nowhere else. Importing this module needs the library Pango."""

from __future__ import annotations

import logging
from pathlib import Path

from weasyprint import HTML
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

# They report every step of every page.
for _name in ("weasyprint.progress", "fontTools"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class _OurFonts(URLFetcher):  # type: ignore[misc]  # untyped
    """Our fonts, and nothing else: no name on a document makes this server ask another one."""

    def __init__(self, fonts: Path) -> None:
        super().__init__(allowed_protocols=["file"])
        self._fonts = {path.as_uri(): path for path in fonts.glob("*.woff2")}

    def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:  # noqa: ARG002
        if url not in self._fonts:
            raise FatalURLFetchingError(f"{url} is not for a document")
        return URLFetcherResponse(url, self._fonts[url].read_bytes(), {"Content-Type": "font/woff2"})


def pdf_of(html: str, *, fonts: Path, identifier: bytes) -> bytes:
    """The page as PDF, with its fonts in it."""
    written: bytes = HTML(string=html, url_fetcher=_OurFonts(fonts)).write_pdf(pdf_identifier=identifier)
    return written
