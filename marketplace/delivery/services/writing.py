"""Writing a step that was checked: the new state and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Prefetch

from accounts import audit
from accounts.actors import Actor
from marketplace.delivery.models import (
    OVER,
    AccessDetails,
    Delivery,
    DeliveryState,
    DeliveryTransition,
    Suspension,
)
from marketplace.delivery.services.replacing import replace_rest
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News, notify_all

BEFORE_ITS_TIME = (DeliveryState.FAILED, DeliveryState.EVICTED)


@dataclass(frozen=True, slots=True)
class Step:
    """``at`` is when it happened at the site; ``report`` is what there is to say about it."""

    to: str
    at: datetime
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        reason = self.report.get("reason", "")
        return reason.strip() if isinstance(reason, str) else ""


def lock(ids: Iterable[int]) -> dict[int, Delivery]:
    """Deliveries by id, with their transitions, locked in the order of their ids."""
    deliveries = Delivery.objects.select_related("agreement__allocation__offer__fleet__model", "site")
    locked = deliveries.filter(pk__in=set(ids)).select_for_update(of=("self",), no_key=True).order_by("pk")
    steps = Prefetch("transitions", queryset=DeliveryTransition.objects.order_by("pk"), to_attr="steps")
    return {delivery.pk: delivery for delivery in locked.prefetch_related(steps)}


def steps_of(delivery: Delivery) -> list[DeliveryTransition]:
    """The steps that a locked delivery has taken, oldest first."""
    steps: list[DeliveryTransition] = delivery.steps  # type: ignore[attr-defined]
    return steps


def write_step(
    delivery: Delivery, step: Step, *, actor: Actor, now: datetime, changes: dict[str, Any] | None = None
) -> DeliveryTransition:
    """Write a step of a locked delivery. ``changes`` are what the step brings beside what its state does."""
    changes = _of_the_state(delivery, step) | (changes or {}) | {"state": step.to}
    taken = DeliveryTransition.objects.create(
        delivery=delivery,
        from_state=delivery.state,
        to_state=step.to,
        at=step.at,
        token=actor.token,
        user=actor.user,
        report=step.report,
    )
    _suspend_or_resume(delivery, step)
    for name, value in changes.items():
        setattr(delivery, name, value)
    delivery.save(update_fields=list(changes))
    steps_of(delivery).append(taken)
    _record(delivery, taken, actor=actor, now=now)
    if step.to in OVER:
        AccessDetails.objects.filter(delivery=delivery, destroyed_at=None).update(sealed="", destroyed_at=now)
    if step.to in OVER and delivery.fault == Delivery.Fault.OWNER:
        replace_rest(delivery, now=now)
    if step.to in BEFORE_ITS_TIME:
        notify_all(_news_of(delivery, step), now=now)
    return taken


def _news_of(delivery: Delivery, step: Step) -> list[News]:
    """For both sides."""
    return [
        News(
            kind=Kind.DELIVERY_FAILED,
            organisation=side,
            key=str(delivery.pk),
            page=("delivery:delivery", delivery.pk),
            facts={"delivery": str(delivery), "why": step.reason},
        )
        for side in {delivery.agreement.buyer_id, delivery.agreement.owner_id}
    ]


def _of_the_state(delivery: Delivery, step: Step) -> dict[str, Any]:
    match step.to:
        case DeliveryState.SCHEDULED:
            return {"retries": delivery.retries + 1}
        case DeliveryState.ACTIVE:
            return {"active_from": delivery.active_from or step.at}
        case DeliveryState.FAILED | DeliveryState.EVICTED:
            why = {"failure": step.reason, "fault": Delivery.Fault.OWNER, "held": False}
            return why | _end_of_activity(delivery, step.at)
        case DeliveryState.ENDED:
            return {"held": False} | _end_of_activity(delivery, step.at)
        case _:
            return {"held": False}


def _end_of_activity(delivery: Delivery, at: datetime) -> dict[str, Any]:
    """``active_until`` of a delivery that stops at a moment; nothing where it never was active."""
    if delivery.active_from is None:
        return {}
    return {"active_until": max(delivery.active_from, min(delivery.ends_at, at))}


def _suspend_or_resume(delivery: Delivery, step: Step) -> None:
    if (delivery.state, step.to) == (DeliveryState.ACTIVE, DeliveryState.SUSPENDED):
        Suspension.objects.create(delivery=delivery, starts_at=step.at, reason=step.reason)
    elif step.to == DeliveryState.ACTIVE or step.to in OVER:
        for one in Suspension.objects.filter(delivery=delivery, ends_at=None):
            one.ends_at = max(one.starts_at, min(step.at, delivery.ends_at))
            one.save(update_fields=["ends_at"])


def _record(delivery: Delivery, taken: DeliveryTransition, *, actor: Actor, now: datetime) -> None:
    again = taken.to_state == DeliveryState.SCHEDULED
    data = {"from": taken.from_state, "at": taken.at.isoformat(), "agreement": delivery.agreement_id}
    reason = taken.report.get("reason")
    audit.record(
        actor=actor,
        action="delivery.retried" if again else f"delivery.{taken.to_state}",
        target=delivery,
        now=now,
        organisation=delivery.site.owner_id,
        data=data | ({"reason": reason} if reason else {}),
    )
