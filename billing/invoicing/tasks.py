"""Closing, as the beat asks for it."""

from celery import shared_task

from accounts.actors import task_actor
from billing.invoicing.services import close_due_periods
from marketplace.clock import market_now


@shared_task(name="billing.close_periods")
def close_periods() -> None:
    close_due_periods(now=market_now(), actor=task_actor("billing.close_periods"))
