from celery import shared_task

from marketplace.agents import services
from marketplace.clock import market_now


@shared_task(name="delivery.miss_agents")
def miss_agents() -> None:
    services.miss_agents(now=market_now())
