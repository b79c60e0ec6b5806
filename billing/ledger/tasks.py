"""The nightly check, as the beat asks for it."""

from celery import shared_task

from accounts.actors import task_actor
from billing.ledger.checks import check_ledger
from marketplace.clock import market_now


@shared_task(name="billing.check_ledger")
def check_ledger_task() -> None:
    check_ledger(now=market_now(), actor=task_actor("billing.check_ledger"))
