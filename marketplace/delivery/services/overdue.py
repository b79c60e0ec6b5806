"""What the exchange does when no agent does anything."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import task_actor
from marketplace.delivery.models import Delivery, DeliveryState
from marketplace.delivery.selectors import NOT_ACTIVE_YET, overdue_to_end, overdue_to_start
from marketplace.delivery.services.steps import Step, end_of_activity, lock, write_step

START_GRACE = timedelta(minutes=60)
END_GRACE = timedelta(minutes=60)
ACTOR = task_actor("delivery.fail_overdue")


def fail_overdue(*, now: datetime) -> tuple[int, int]:
    """Fail what did not start in time, end what nobody ended; returns how many of each.

    One short transaction each, with the delivery locked: an agent's report that came first wins.
    """
    failed = sum(_fail(delivery, now) for delivery in overdue_to_start(now, START_GRACE).iterator())
    ended = sum(_end(delivery, now) for delivery in overdue_to_end(now, END_GRACE).iterator())
    return failed, ended


@transaction.atomic
def _fail(delivery: Delivery, now: datetime) -> bool:
    locked = lock([delivery.pk])[delivery.pk]
    if locked.state not in NOT_ACTIVE_YET:
        return False
    minutes = START_GRACE // timedelta(minutes=1)
    reason = f"Not active {minutes} minutes after its start; it was {locked.state}."
    step = Step(to=DeliveryState.FAILED, at=now, report={"reason": reason, "by": "exchange"})
    write_step(locked, step, actor=ACTOR, now=now, changes={"failure": reason})
    return True


@transaction.atomic
def _end(delivery: Delivery, now: datetime) -> bool:
    locked = lock([delivery.pk])[delivery.pk]
    if locked.state != DeliveryState.ACTIVE:
        return False
    step = Step(to=DeliveryState.ENDED, at=locked.ends_at, report={"by": "exchange"})
    write_step(locked, step, actor=ACTOR, now=now, changes=end_of_activity(locked, locked.ends_at))
    return True
