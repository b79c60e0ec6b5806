from celery import shared_task
from django.urls import reverse

from marketplace.clearing import asks, quote_book
from marketplace.clock import market_now
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job


@shared_task(name="market.prepare_quotes")
def prepare_quotes() -> None:
    quote_book.prepare(now=market_now())


@shared_task(name=asks.TASK)
def replay_asks(job_id: int) -> None:
    jobs.carry_out(job_id, _replay)


def _replay(job: Job) -> str:
    asks.replay_for(job)
    return f"{reverse('home')}#asks"
