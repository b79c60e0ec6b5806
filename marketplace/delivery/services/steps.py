"""One step in the life of a delivery, taken by an agent once however often it is reported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from marketplace.clock import is_of_our_time
from marketplace.delivery.acceptance import check_acceptance
from marketplace.delivery.models import ALLOWED_STEPS, Delivery, DeliveryState, DeliveryTransition
from marketplace.delivery.selectors import at_its_sites
from marketplace.errors import DomainError, InvalidInput

LARGEST_REPORT = 16_384


class StepRefused(DomainError):
    code = "delivery_step_refused"
    title = "The delivery cannot take this step"


class StepConflict(DomainError):
    code = "delivery_step_conflict"
    title = "The delivery took this step already, with another report"


class DeliveryUnknown(DomainError):
    code = "not_found"
    title = "Not found"
    status = 404


@dataclass(frozen=True, slots=True)
class Step:
    """``at`` is when it happened at the site; ``report`` is what the agent has to say about it."""

    to: str
    at: datetime
    report: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def take_step(*, viewer: Viewer, delivery: Delivery, step: Step, now: datetime) -> DeliveryTransition:
    """Move a delivery on, as its site's agent reports.

    The same step with the same report gives the same answer again; with another one it is a
    ``StepConflict``. Locks the delivery.
    """
    return _take(viewer, lock([delivery.pk])[delivery.pk], step, now)


@transaction.atomic
def take_steps(
    *, viewer: Viewer, steps: Iterable[tuple[int, Step]], now: datetime
) -> list[DeliveryTransition | DomainError]:
    """Steps of many deliveries, by their ids, in order: what became of each.

    One transaction, with the deliveries locked in the order of their ids. A step that is refused has
    written nothing, so it is its own answer and the others stand.
    """
    asked = list(steps)
    deliveries = lock(_own(viewer, {pk for pk, _ in asked}))
    return [_answer(viewer, deliveries.get(pk), step, now) for pk, step in asked]


def _own(viewer: Viewer, ids: set[int]) -> Iterable[int]:
    """Those that the viewer delivers: nobody makes another site's deliveries wait."""
    return Delivery.objects.filter(at_its_sites(viewer), pk__in=ids).values_list("pk", flat=True)


def lock(ids: Iterable[int]) -> dict[int, Delivery]:
    """Deliveries by id, with their transitions, locked in the order of their ids."""
    deliveries = Delivery.objects.select_related("agreement__allocation__offer__fleet__model", "site")
    locked = deliveries.filter(pk__in=set(ids)).select_for_update(of=("self",), no_key=True).order_by("pk")
    steps = Prefetch("transitions", queryset=DeliveryTransition.objects.order_by("pk"), to_attr="steps")
    return {delivery.pk: delivery for delivery in locked.prefetch_related(steps)}


def _answer(
    viewer: Viewer, delivery: Delivery | None, step: Step, now: datetime
) -> DeliveryTransition | DomainError:
    if delivery is None or not viewer.may(Capability.DELIVER, delivery.site.owner_id):
        return DeliveryUnknown("There is no such delivery at a site of this token's organisation.")
    try:
        return _take(viewer, delivery, step, now)
    except DomainError as refusal:
        return refusal


def _take(viewer: Viewer, delivery: Delivery, step: Step, now: datetime) -> DeliveryTransition:
    """Every refusal comes before the first write."""
    actor = viewer.require(Capability.DELIVER, delivery.site.owner_id)
    for known in _steps_of(delivery):
        if known.to_state == step.to:
            return _same(known, step)
    _check_order(delivery, step)
    _check_report(step)
    _check_time(delivery, step, now)
    return write_step(delivery, step, actor=actor, now=now, changes=_changes(delivery, step))


def _steps_of(delivery: Delivery) -> list[DeliveryTransition]:
    """The steps that a locked delivery has taken, oldest first."""
    steps: list[DeliveryTransition] = delivery.steps  # type: ignore[attr-defined]
    return steps


def write_step(
    delivery: Delivery, step: Step, *, actor: Actor, now: datetime, changes: dict[str, Any]
) -> DeliveryTransition:
    """Write a step that was checked: the new state, the transition and the audit event."""
    taken = DeliveryTransition.objects.create(
        delivery=delivery,
        from_state=delivery.state,
        to_state=step.to,
        at=step.at,
        token=actor.token,
        report=step.report,
    )
    for name, value in (changes | {"state": step.to}).items():
        setattr(delivery, name, value)
    delivery.save(update_fields=["state", *changes])
    _steps_of(delivery).append(taken)
    audit.record(
        actor=actor,
        action=f"delivery.{step.to}",
        target=delivery,
        now=now,
        organisation=delivery.site.owner_id,
        data={"from": taken.from_state, "at": step.at.isoformat(), "agreement": delivery.agreement_id},
    )
    return taken


def end_of_activity(delivery: Delivery, at: datetime) -> dict[str, Any]:
    """``active_until`` of a delivery that stops at a moment; nothing where it never was active."""
    if delivery.active_from is None:
        return {}
    return {"active_until": max(delivery.active_from, min(delivery.ends_at, at))}


def _same(known: DeliveryTransition, step: Step) -> DeliveryTransition:
    if known.at == step.at and known.report == step.report:
        return known
    raise StepConflict(
        f"D{known.delivery_id} went to “{known.to_state}” at {known.at.isoformat()} with another report. "
        "What is recorded stays; report what differs to the exchange.",
        recorded_at=known.at.isoformat(),
    )


def _check_order(delivery: Delivery, step: Step) -> None:
    if (delivery.state, step.to) in ALLOWED_STEPS:
        return
    next_states = [after.value for before, after in ALLOWED_STEPS if before == delivery.state]
    way_on = f"From there it goes to {' or '.join(next_states)}." if next_states else "That is its end."
    raise StepRefused(
        f"{delivery} is “{delivery.state}” and cannot go to “{step.to}”. {way_on}",
        state=delivery.state,
        next=next_states,
    )


def _check_report(step: Step) -> None:
    try:
        text = json.dumps(step.report, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except ValueError:
        raise InvalidInput("The report is not valid.", {"report": "It is not valid JSON text."}) from None
    if "\\u0000" in text:
        raise InvalidInput("The report is not valid.", {"report": "It contains a NUL character."})
    if size > LARGEST_REPORT:
        raise InvalidInput("The report is too long.", {"report": f"It has more than {LARGEST_REPORT} bytes."})
    if step.to == DeliveryState.FAILED and not _reason(step):
        raise InvalidInput("Why did it fail?", {"report.reason": "Say why the delivery failed."})


def _check_time(delivery: Delivery, step: Step, now: datetime) -> None:
    previous = next(reversed(_steps_of(delivery)), None)
    if not is_of_our_time(step.at):
        raise InvalidInput("The step lies outside of our time.", {"at": "Check the site's clock."})
    if step.at > now + settings.METER_SKEW_ALLOWED:
        raise InvalidInput(
            "The step lies in the future.", {"at": f"It is {now.isoformat()} on the market's clock."}
        )
    if previous is not None and step.at < previous.at:
        raise InvalidInput(
            "The step lies before the previous one.",
            {"at": f"It went to “{previous.to_state}” at {previous.at.isoformat()}."},
        )
    if step.to == DeliveryState.ACTIVE and not delivery.starts_at <= step.at < delivery.ends_at:
        raise StepRefused(
            f"{delivery} can become active from {delivery.starts_at.isoformat()} "
            f"to {delivery.ends_at.isoformat()}, not at {step.at.isoformat()}."
        )


def _changes(delivery: Delivery, step: Step) -> dict[str, Any]:
    match step.to:
        case DeliveryState.ACTIVE:
            return {"active_from": step.at, "acceptance": check_acceptance(delivery, step.report)}
        case DeliveryState.ENDED:
            return end_of_activity(delivery, step.at)
        case DeliveryState.FAILED:
            return {"failure": _reason(step)} | end_of_activity(delivery, step.at)
        case _:
            return {}


def _reason(step: Step) -> str:
    reason = step.report.get("reason", "")
    return reason.strip() if isinstance(reason, str) else ""
