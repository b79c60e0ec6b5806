"""Organisations that may not enter requests for the time being. Who suspends them, and why, billing knows."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Organisation
from marketplace.errors import DomainError


class Suspended(DomainError):
    code = "organisation_suspended"
    title = gettext_noop("The organisation is suspended")
    status = 403


def check_not_suspended(organisation_id: int) -> None:
    """``Suspended``, where it is. Ask with its row locked: suspending takes the same lock."""
    if Organisation.objects.filter(pk=organisation_id, suspended_since__isnull=False).exists():
        raise Suspended(
            _("An invoice is long overdue. Pay it under Invoices: requests can be entered again then.")
        )


def suspend(organisation_id: int, *, since: datetime | None) -> None:
    """From a market time on; ``None`` ends it."""
    Organisation.objects.filter(pk=organisation_id).update(suspended_since=since)
