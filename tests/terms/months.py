"""Months of four hours, so that a test lives through some, and what is delivered in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.actors import task_actor
from billing.rating.models import Charge, MonthSettlement, RatingRun
from billing.rating.services import rate
from billing.rating.settling import months_of as settled_months
from billing.rating.settling import settle_months
from marketplace.delivery.models import Delivery
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import MICRO, Sheet, Tier, Unit
from tests.billing.builders import HOUR, agent_of, event, make_delivery, send
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_site
from tests.terms.scenes import agreement_of, concluded

CALENDAR = "hours:4"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MONTH = timedelta(hours=4)
SETTLER = task_actor("billing.rate")
AFTER_ONE, AFTER_TWO = NOON + MONTH + HOUR, NOON + 2 * MONTH + HOUR
# At 3.60 a card-hour a card-second is a thousandth, so that nothing is rounded.
SHEET = Sheet(
    unit=Unit.CARD_HOUR,
    quantity=20 * MICRO,
    price=3_600_000,
    take_or_pay=800_000,
    tiers=(Tier(1_100_000, 7_200_000),),
    make_up_months=2,
    carry_forward_months=1,
)


def short_months(cast: Cast, settings: Any, **changes: Any) -> TermAgreement:
    settings.TERM_CALENDAR = CALENDAR
    term = concluded(cast, **{"starts_at": NOON, "months": 4, "sheet": SHEET} | changes)
    reserve(cast, term, cards=40)
    return term


def reserve(cast: Cast, term: TermAgreement, *, cards: int, hours: int = 16) -> Offer:
    fleet = make_fleet(make_site(cast.owner), cards=cards)
    return make_offer(fleet, cards=cards, ask="3.6", start=NOON, hours=hours, reserved_for=term)


def called_off(cast: Cast, term: TermAgreement, month: int, *, cards: int = 8, hours: int = 4) -> Delivery:
    """So many cards in the first hours of a month."""
    start = NOON + month * MONTH
    prices = ["3.6"] * hours
    return make_delivery(
        owner=cast.owner, buyer=cast.buyer, prices=prices, cards=cards, start=start, under=term
    )


def deliver(delivery: Delivery, *card_hours: int, name: str = "", now: datetime | None = None) -> None:
    """So many card-hours in each of its hours, from the first on; -1 is an hour of which nothing came yet."""
    events = [
        event(
            delivery,
            f"{delivery.pk}-{hour}{name}",
            at=delivery.starts_at + hour * HOUR,
            seconds=3600,
            quantity=quantity * 3600,
        )
        for hour, quantity in enumerate(card_hours)
        if quantity >= 0
    ]
    answers = send(agent_of(delivery.agreement.owner), *events, now=now or delivery.ends_at + HOUR)
    assert {answer.status.value for answer in answers} <= {"accepted", "duplicate"}, answers


def settle_at(now: datetime) -> RatingRun | None:
    rate(now=now, actor=SETTLER)
    return next(iter(settle_months(now=now, actor=SETTLER)), None)


def owed(term: TermAgreement) -> Sequence[tuple[str, int, Decimal]]:
    """What its months were charged beside their usage: kind, card-hours, amount; corrections as well."""
    charges = Charge.objects.filter(agreement=agreement_of(term)).order_by("pk")
    return [(charge.kind, charge.quantity // 3600, charge.amount) for charge in charges]


def months_of(term: TermAgreement) -> Sequence[MonthSettlement]:
    return list(settled_months(term))
