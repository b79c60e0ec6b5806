from celery import shared_task

from marketplace.clock import market_now
from marketplace.delivery import services


@shared_task(name="delivery.schedule")
def schedule() -> None:
    services.schedule_new(now=market_now())


@shared_task(name="delivery.fail_overdue")
def fail_overdue() -> None:
    services.fail_overdue(now=market_now())
