"""What an agreement says, as data: everything that rating needs, frozen and hashed.

Money and quantities are decimal strings, times are ISO 8601 in UTC. A changed meaning gets a new
``format``: ``spot/2`` names the days in which a charge can be disputed (before, the settings did) and
promises a service level.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from marketplace.clearing.models import Allocation
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.sheet import MICRO, PLACES, Sheet

FORMAT = "spot/2"
TERM_FORMAT = "term-agreement/1"


def spot_terms(
    allocation: Allocation,
    *,
    commission_rate: Decimal,
    profile_version: int,
    np_per_card: Decimal | None = None,
) -> dict[str, Any]:
    """The terms of a spot agreement over one allocation, or of a call-off.

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
        "sla": settings.SERVICE_LEVEL,
    } | _under(allocation, np_per_card)


def _under(allocation: Allocation, np_per_card: Decimal | None) -> dict[str, Any]:
    """Of a call-off, the term agreement that says what else follows from what was delivered.

    If that is in nP-hours, also what a card counts for and costs by.
    """
    term = allocation.request.under_id
    if term is None:
        return {}
    return {"under": term} if np_per_card is None else {"under": term, "np_per_card": str(np_per_card)}


def term_terms(agreement: TermAgreement, first: TermVersion, *, commission_rate: Decimal) -> dict[str, Any]:
    """What was agreed when a term agreement was concluded."""
    return {
        "format": TERM_FORMAT,
        "term_agreement": agreement.pk,
        **({"workload": agreement.workload} if agreement.model is None else {"model": agreement.model.slug}),
        "months": agreement.months,
        "month": agreement.calendar,
        "time_zone": agreement.time_zone,
        "starts_at": agreement.starts_at.isoformat(),
        "month_ends": [end.isoformat() for end in agreement.month_ends],
        "ends_at": agreement.ends_at.isoformat(),
        "currency": agreement.currency,
        "commission_rate": str(commission_rate),
        "dispute_days": settings.DISPUTE_DAYS,
        "each_month": first.terms,
    }


def worth_of(sheet: Sheet, months: int) -> Decimal:
    """What the quantity of all months costs, rounded down to the sixth place."""
    return Decimal(sheet.quantity * months * sheet.price // MICRO).scaleb(-PLACES)


def dispute_days(terms: Mapping[str, Any]) -> int:
    """For how many days a charge can be disputed. Terms of the format spot/1 name none."""
    days: int = terms.get("dispute_days", settings.DISPUTE_DAYS)
    return days


@dataclass(frozen=True, slots=True)
class ServiceLevelTerms:
    """What the site promises, and what the buyer gets back of its charges where that was not kept.

    ``tiers`` are pairs: below this availability, this share. ``recovery_share`` is added for an outage of
    more than ``recovery_minutes``. Never more than ``cap``.
    """

    availability: Decimal
    tiers: Sequence[tuple[Decimal, Decimal]]
    cap: Decimal
    recovery_minutes: int
    recovery_share: Decimal


def service_level(terms: Mapping[str, Any]) -> ServiceLevelTerms | None:
    """Terms of the format spot/1 promise none."""
    sla = terms.get("sla")
    if sla is None:
        return None
    return ServiceLevelTerms(
        availability=Decimal(sla["availability"]),
        tiers=[(Decimal(below), Decimal(share)) for below, share in sla["tiers"]],
        cap=Decimal(sla["cap"]),
        recovery_minutes=sla["recovery_minutes"],
        recovery_share=Decimal(sla["recovery_share"]),
    )


def digest(terms: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of the terms."""
    text = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
