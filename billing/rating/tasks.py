"""Rating, as the beat asks for it."""

from celery import shared_task

from accounts.actors import task_actor
from billing.rating.services import rate
from marketplace.clock import market_now


@shared_task(name="billing.rate")
def rate_ended_slots() -> None:
    rate(now=market_now(), actor=task_actor("billing.rate"))
