"""What an owner sold and did not deliver is bought again, for the buyer and at the owner's cost.

The rest of the window becomes a request like the one that was served, entered by the exchange and cleared by
the next market run. The buyer pays what the new agreement costs, and gets back on the old one whatever that
is above the old prices; the old one's owner pays that (``billing.rating.covering``). How much it can be is
bounded by ``REPLACEMENT_PRICE_AT_MOST``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.db import transaction

from accounts.actors import task_actor
from marketplace.agreements.models import Agreement
from marketplace.catalogue.selectors import rates_of
from marketplace.clock import hours_between, next_hour
from marketplace.delivery.models import Delivery, Replacement
from marketplace.demand.models import Alternative
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.services import enter_for
from marketplace.errors import DomainError

ACTOR = task_actor("delivery.replace")
CENT = Decimal("0.01")
# What an alternative says of its work as it is; the rest follows from what is left.
KEPT = (
    "workload",
    "careful",
    "precision",
    "memory_gb",
    "round_trip_ms",
    "bandwidth_mbps",
    "renewable_share",
    "carbon",
    "verification",
    "notice_minutes",
)


def replace_rest(delivery: Delivery, *, now: datetime) -> Replacement:
    """Enter a request for the hours of a delivery that are left, or write down why there is none."""
    why_not, request = Replacement.WhyNot.NO_TIME, None
    agreement, start = delivery.agreement, max(next_hour(now), delivery.starts_at)
    if agreement.kind != Agreement.Kind.SPOT:
        why_not = Replacement.WhyNot.CALL_OFF
    elif start < delivery.ends_at:
        why_not = Replacement.WhyNot.REFUSED
        try:
            with transaction.atomic():
                wanted = _wanted(agreement, start)
                request = enter_for(organisation=agreement.buyer, request=wanted, actor=ACTOR, now=now)
        except DomainError:
            request = None
    return Replacement.objects.create(
        delivery=delivery, request=request, why_not="" if request else why_not, made_at=now
    )


def _wanted(agreement: Agreement, start: datetime) -> RequestInput:
    """All of it or nothing: a part would leave the buyer with less than it had."""
    allocation = agreement.allocation
    served, hours = allocation.alternative, hours_between(start, agreement.ends_at)
    agreed = agreement.cards * sum(allocation.prices[-hours:]) * allocation.fx_rate
    alternative = AlternativeInput(
        unit=served.unit,
        amount=_amount(agreement, served),
        earliest_start=start,
        hours=hours,
        deadline=max(agreement.ends_at, served.deadline),
        budget=(agreed * settings.REPLACEMENT_PRICE_AT_MOST).quantize(CENT, ROUND_UP),
        accelerator_models=tuple(served.accelerator_models.values_list("slug", flat=True)),
        stacks=tuple(served.stacks.values_list("slug", flat=True)),
        gangs=1 if served.gangs else 0,
        near=served.near.slug if served.near else "",
        jurisdictions=tuple(served.jurisdictions),
        **{name: getattr(served, name) for name in KEPT},
    )
    title = f"{agreement}: {allocation.request.title}"
    return RequestInput(title[:120], allocation.request.currency, [alternative])


def _amount(agreement: Agreement, served: Alternative) -> Decimal:
    """What the cards of the agreement were: cards, or the work that they do by its profiles."""
    if served.unit == Alternative.AmountUnit.CARDS:
        return Decimal(agreement.cards)
    rates = rates_of(served.workload, agreement.profile_version)
    done = agreement.cards * rates[agreement.allocation.offer.fleet.model.slug]
    return min(done, served.amount)
