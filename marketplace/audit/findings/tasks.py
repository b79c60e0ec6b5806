from celery import shared_task

from accounts.actors import task_actor
from marketplace.audit.findings.detecting import detect, window_at
from marketplace.clock import market_now


@shared_task(name="audit.detect")
def detect_findings() -> None:
    """Look at the last seven days. Running it again over the same days makes no second finding."""
    now = market_now()
    detect(window_at(now), actor=task_actor("audit.detect"), now=now)
