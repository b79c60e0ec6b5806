from celery import shared_task

from accounts.actors import task_actor
from marketplace.agreements.services import run_market
from marketplace.clock import market_clock


@shared_task(name="market.run")
def run_market_task() -> None:
    run_market(clock=market_clock(), actor=task_actor("market.run"))
