from datetime import UTC, datetime

from celery import shared_task

from accounts.actors import task_actor
from marketplace.audit.access.retention import retain
from marketplace.clock import market_now


@shared_task(name="audit.retain")
def retain_every_day() -> None:
    """Sessions and people live in wall time."""
    retain(at=datetime.now(UTC), actor=task_actor("audit.retain"), now=market_now())
