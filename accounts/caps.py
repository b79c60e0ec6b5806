"""How much of something an organisation may have open at once, so that nobody fills the market for all."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from accounts.administration import lock
from marketplace.errors import DomainError


class CapReached(DomainError):
    code = "cap_reached"
    title = gettext_noop("The organisation has as many of these as it may have")


def check_cap(organisation_id: int, rows: QuerySet[Any], *, most: int, message: str, adding: int = 1) -> None:
    """``CapReached`` where ``adding`` rows would make more than ``most``; ``message`` may name ``%(most)s``.

    The organisation's row stays locked, so that nobody of it adds another one before this transaction ends.
    """
    lock(organisation_id)
    if rows.count() + adding > most:
        raise CapReached(message % {"most": f"{most:,}"}, most=most)
