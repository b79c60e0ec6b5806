"""Closing and dunning, as the beat asks for them."""

from celery import shared_task

from accounts.actors import task_actor
from billing.invoicing.dunning import dun
from billing.invoicing.services import close_due_periods
from marketplace.clock import market_now


@shared_task(name="billing.close_periods")
def close_periods() -> None:
    close_due_periods(now=market_now(), actor=task_actor("billing.close_periods"))


@shared_task(name="billing.dun")
def dun_overdue_invoices() -> None:
    dun(now=market_now(), actor=task_actor("billing.dun"))
