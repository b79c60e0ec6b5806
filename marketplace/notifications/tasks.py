from celery import shared_task

from marketplace.clock import market_now
from marketplace.notifications import mailing, services


@shared_task(name=services.MAIL_TASK)
def mail_at_once() -> int:
    return mailing.mail_at_once(now=market_now())


@shared_task(name="notifications.mail_digests")
def mail_digests() -> int:
    return mailing.mail_digests(now=market_now())
