"""Utilisation, as the beat asks for it."""

from celery import shared_task

from accounts.actors import task_actor
from marketplace.audit.utilisation.services import roll_up
from marketplace.clock import market_now


@shared_task(name="audit.roll_up")
def roll_up_utilisation() -> None:
    roll_up(now=market_now(), actor=task_actor("audit.roll_up"))
