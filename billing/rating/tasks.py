"""Rating, as the beat asks for it."""

from celery import shared_task

from accounts.actors import task_actor
from billing.rating.covering import charge_covers
from billing.rating.service_levels import assess_service_levels
from billing.rating.services import rate_all
from billing.rating.settling import settle_months
from marketplace.clock import market_now


@shared_task(name="billing.rate")
def rate_ended_slots() -> None:
    now, actor = market_now(), task_actor("billing.rate")
    rate_all(now=now, actor=actor)
    assess_service_levels(now=now, actor=actor)
    charge_covers(now=now, actor=actor)
    settle_months(now=now, actor=actor)
