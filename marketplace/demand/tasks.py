from celery import shared_task

from marketplace.clock import market_now
from marketplace.demand import services


@shared_task(name="market.expire_requests")
def expire_requests() -> None:
    services.expire_requests(now=market_now())
