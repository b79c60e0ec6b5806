"""What the beat asks of metering."""

from celery import shared_task

from billing.metering.partitions import make_ahead
from marketplace.clock import market_now


@shared_task(name="billing.make_reading_partitions")
def make_reading_partitions() -> None:
    make_ahead(now=market_now())
