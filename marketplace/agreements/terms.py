"""What an agreement says, as data: everything that rating needs, frozen and hashed.

Money and quantities are decimal strings, times are ISO 8601 in UTC. A changed meaning gets a new
``format``: ``spot/2`` names the days in which a charge can be disputed; before, the settings did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings

from marketplace.clearing.models import Allocation

FORMAT = "spot/2"


def spot_terms(allocation: Allocation, *, commission_rate: Decimal, profile_version: int) -> dict[str, Any]:
    """The terms of a spot agreement over one allocation.

    Billed are the card-seconds that the site delivered, at the slot's price: cards that were reserved
    for the buyer and stood idle are billed, cards that were not there are not.
    """
    return {
        "format": FORMAT,
        "cards": allocation.cards,
        "starts_at": allocation.starts_at.isoformat(),
        "ends_at": allocation.ends_at.isoformat(),
        "currency": allocation.currency,
        "prices_per_card_hour": [str(price) for price in allocation.prices],
        "commission_rate": str(commission_rate),
        "fx_rate_to_request": str(allocation.fx_rate),
        "profile_version": profile_version,
        "billed": "delivered card-seconds",
        "dispute_days": settings.DISPUTE_DAYS,
    }


def dispute_days(terms: Mapping[str, Any]) -> int:
    """For how many days a charge can be disputed. Terms of the format spot/1 name none."""
    days: int = terms.get("dispute_days", settings.DISPUTE_DAYS)
    return days


def digest(terms: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of the terms."""
    text = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
