"""Documents as PDF, in English and Chinese.

A document never changes, so its PDF is made anew whenever somebody asks, and with the same version of the
software and its libraries it is the same. The fonts are ours (``fonts/``), so it looks the same everywhere;
characters that they lack come from the system's, where it has any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.invoicing.models import Document
from billing.invoicing.printing import printed
from marketplace.errors import DomainError

FONTS = Path(__file__).parent / "fonts"


class PdfUnavailable(DomainError):
    code = "pdf_unavailable"
    title = gettext_noop("PDF cannot be made on this server")
    status = 503


def render_pdf(document: Document, *, language: str) -> bytes:
    """The document as PDF in a language of the settings; times are in the issuer's zone.

    ``PdfUnavailable`` where the libraries of WeasyPrint (Pango) are not installed.
    """
    with translation.override(language), timezone.override(document.issuer.time_zone):
        html = render_to_string(
            "billing/pdf/document.html", {"printed": printed(document), "fonts": FONTS.as_uri()}
        )
    return write_pdf(html, identifier=hashlib.sha256(f"{document.number} {language}".encode()).digest())


def write_pdf(html: str, *, identifier: bytes) -> bytes:
    """A page as PDF, with our fonts; ``PdfUnavailable`` as above. The same page gives the same bytes."""
    try:
        write = _typesetter()
    except OSError as error:
        raise PdfUnavailable(
            _("Install the library Pango (Debian: libpango-1.0-0, libpangoft2-1.0-0, libharfbuzz-subset0).")
        ) from error
    return write(html, fonts=FONTS, identifier=identifier)


def _typesetter() -> Callable[..., bytes]:
    from billing.invoicing.typesetting import pdf_of  # noqa: PLC0415 - loads Pango, which not all machines have

    return pdf_of
