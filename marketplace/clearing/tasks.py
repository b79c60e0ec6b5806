from celery import shared_task

from marketplace.clearing import quote_book
from marketplace.clock import market_now


@shared_task(name="market.prepare_quotes")
def prepare_quotes() -> None:
    quote_book.prepare(now=market_now())
