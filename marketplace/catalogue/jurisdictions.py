"""Jurisdictions by name. Their codes are mostly those of countries, and ``CN`` is the mainland alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NAMES: Mapping[str, StrOrPromise] = {
    "AE": _("United Arab Emirates"),
    "AU": _("Australia"),
    "BR": _("Brazil"),
    "CA": _("Canada"),
    "CH": _("Switzerland"),
    "CL": _("Chile"),
    "CN": _("Mainland China"),
    "EEA": _("European Economic Area"),
    "EU": _("European Union"),
    "HK": _("Hong Kong"),
    "ID": _("Indonesia"),
    "IL": _("Israel"),
    "IN": _("India"),
    "JP": _("Japan"),
    "KR": _("South Korea"),
    "MX": _("Mexico"),
    "MY": _("Malaysia"),
    "QA": _("Qatar"),
    "SA": _("Saudi Arabia"),
    "SG": _("Singapore"),
    "TW": _("Taiwan"),
    "UK": _("United Kingdom"),
    "US": _("United States"),
    "ZA": _("South Africa"),
}


def jurisdiction_name(code: str) -> str:
    """The name, or the code where nobody has named it."""
    return str(NAMES.get(code, code))
