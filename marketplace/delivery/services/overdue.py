"""What the exchange does when a state lasts too long: the attempt is repeated, or the delivery is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.actors import task_actor
from marketplace.delivery.models import OVER, Delivery, DeliveryState
from marketplace.delivery.selectors import overdue
from marketplace.delivery.services.writing import Step, lock, steps_of, write_step

ACTOR = task_actor("delivery.fail_overdue")


def fail_overdue(*, now: datetime) -> list[str]:
    """Move on what is overdue; returns the states that deliveries went to.

    One short transaction each, with the delivery locked: an agent's report that came first wins.
    """
    return [to for pk in overdue(now).iterator() if (to := _move_on(pk, now))]


@transaction.atomic
def _move_on(pk: int, now: datetime) -> str:
    """Where the delivery went; nowhere where it is in time."""
    delivery = lock([pk])[pk]
    step = _due_step(delivery, now)
    if step is None:
        return ""
    write_step(delivery, step, actor=ACTOR, now=now)
    return step.to


def _due_step(delivery: Delivery, now: datetime) -> Step | None:
    if delivery.state in OVER:  # by now: its agent's report came while others were looked at
        return None
    steps = steps_of(delivery)
    begun = max(delivery.starts_at, steps[-1].at) if steps else delivery.starts_at
    if delivery.active_from is not None and now >= delivery.ends_at + settings.DELIVERY_END_WITHIN:
        return Step(to=DeliveryState.ENDED, at=delivery.ends_at, report={"by": "exchange"})
    if delivery.state == DeliveryState.ACTIVE:
        return None
    if delivery.active_from is None:
        return _begin_again_or_fail(delivery, begun, now)
    return _still_suspended(delivery, begun, now)


def _still_suspended(delivery: Delivery, begun: datetime, now: datetime) -> Step | None:
    """Counted from when the cards were taken away, however often they were tested since."""
    since = delivery.suspensions.get(ends_at=None).starts_at
    if now >= since + settings.DELIVERY_SUSPENDED_AT_MOST:
        minutes = _minutes(settings.DELIVERY_SUSPENDED_AT_MOST)
        reason = f"Suspended for {minutes} minutes: the cards did not come back."
        return _step(DeliveryState.FAILED, now, reason)
    if delivery.state == DeliveryState.ACCEPTING and now >= begun + settings.DELIVERY_ATTEMPT_WITHIN:
        minutes = _minutes(settings.DELIVERY_ATTEMPT_WITHIN)
        return _step(DeliveryState.SUSPENDED, now, f"The test did not pass within {minutes} minutes.")
    return None


def _begin_again_or_fail(delivery: Delivery, begun: datetime, now: datetime) -> Step | None:
    within = settings.DELIVERY_START_WITHIN
    if now >= delivery.starts_at + within:
        reason = f"Not active {_minutes(within)} minutes after its start; it was {delivery.state}."
        return _step(DeliveryState.FAILED, now, reason)
    late = now >= begun + settings.DELIVERY_ATTEMPT_WITHIN
    may_retry = delivery.retries < settings.DELIVERY_RETRIES and delivery.state != DeliveryState.SCHEDULED
    if not (late and may_retry):
        return None
    minutes = _minutes(settings.DELIVERY_ATTEMPT_WITHIN)
    return _step(DeliveryState.SCHEDULED, now, f"Still {delivery.state} after {minutes} minutes.")


def _step(to: DeliveryState, now: datetime, reason: str) -> Step:
    return Step(to=to, at=now, report={"reason": reason, "by": "exchange"})


def _minutes(limit: timedelta) -> int:
    return limit // timedelta(minutes=1)
