"""The issuer that the settings describe."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from billing.invoicing.models import Issuer


def issuer_now() -> Issuer:
    """The row of what ``INVOICE_ISSUER`` says; a new one when it says something new."""
    details: dict[str, Any] = settings.INVOICE_ISSUER
    issuer, _ = Issuer.objects.get_or_create(**details)
    return issuer


def issuer_as_configured() -> Issuer:
    """The same without a row, for what is only shown."""
    return Issuer(**settings.INVOICE_ISSUER)
