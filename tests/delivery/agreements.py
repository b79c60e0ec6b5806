"""Agreements as a market run leaves them: sold, concluded, and not yet scheduled."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Organisation
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from marketplace.supply.models import Fleet
from tests.factories import HOUR, START, make_fleet, make_offer, make_profile_version, site_of
from tests.supply.sales import sell


def make_agreement(
    *,
    owner: Organisation,
    buyer: Organisation,
    cards: int = 8,
    start: datetime = START,
    hours: int = 2,
    fleet: Fleet | None = None,
) -> Agreement:
    fleet = fleet or make_fleet(site_of(owner), cards=cards)
    offer = make_offer(fleet, cards=cards, start=start, hours=hours)
    allocation = sell(offer, cards=cards, start=start, hours=hours)
    return Agreement.objects.create(
        allocation=allocation,
        buyer=buyer,
        owner=owner,
        profile_version=make_profile_version(),
        currency=offer.currency,
        cards=cards,
        starts_at=start,
        ends_at=start + hours * HOUR,
        card_hours=cards * hours,
        value=cards * hours * Decimal(11),
        commission_rate=Decimal("0.03"),
        terms={},
        terms_digest="0" * 64,
        concluded_at=start - HOUR,
    )


def make_delivery(*, owner: Organisation, buyer: Organisation, **facts: Any) -> Delivery:
    """A scheduled delivery; ``facts`` are those of ``make_agreement``."""
    agreement = make_agreement(owner=owner, buyer=buyer, **facts)
    return Delivery.objects.create(
        agreement=agreement,
        site=agreement.allocation.offer.fleet.site,
        starts_at=agreement.starts_at,
        ends_at=agreement.ends_at,
    )
