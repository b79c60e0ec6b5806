"""One step in the life of a delivery, taken by an agent once however often it is reported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.actors import Capability, Viewer
from marketplace.clock import is_of_our_time
from marketplace.delivery.acceptance import check_acceptance, keep_test, record_test
from marketplace.delivery.models import ALLOWED_STEPS, Delivery, DeliveryState, DeliveryTransition
from marketplace.delivery.selectors import at_its_sites
from marketplace.delivery.services.writing import Step, lock, steps_of, write_step
from marketplace.errors import DomainError, InvalidInput

LARGEST_REPORT = 16_384
SAY_WHY = (
    DeliveryState.SCHEDULED,
    DeliveryState.SUSPENDED,
    DeliveryState.FAILED,
    DeliveryState.EVICTED,
)


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
    for known in steps_of(delivery):
        if (known.to_state, known.at) == (step.to, step.at):
            return _same(known, step)
    _check_order(delivery, step)
    _check_report(step)
    _check_time(delivery, step, now)
    changes = {}
    if step.to == DeliveryState.ACTIVE:
        changes["acceptance"] = check_acceptance(delivery, step.report)
    test = keep_test(delivery, step.report, at=step.at)
    taken = write_step(delivery, step, actor=actor, now=now, changes=changes)
    if test is not None:
        record_test(test, actor=actor, now=now)
    return taken


def _same(known: DeliveryTransition, step: Step) -> DeliveryTransition:
    if known.report == step.report:
        return known
    raise _conflict(known)


def _conflict(known: DeliveryTransition) -> StepConflict:
    return StepConflict(
        f"D{known.delivery_id} went to “{known.to_state}” at {known.at.isoformat()} with another report. "
        "What is recorded stays; report what differs to the exchange.",
        recorded_at=known.at.isoformat(),
    )


def _check_order(delivery: Delivery, step: Step) -> None:
    next_states = _next_states(delivery)
    if step.to in next_states:
        return
    known = [taken for taken in steps_of(delivery) if taken.to_state == step.to]
    if known and (delivery.state, step.to) not in ALLOWED_STEPS:
        raise _conflict(known[-1])
    way_on = f"From there it goes to {' or '.join(next_states)}." if next_states else "That is its end."
    raise StepRefused(
        f"{delivery} is “{delivery.state}” and cannot go to “{step.to}”. {way_on}",
        state=delivery.state,
        next=next_states,
    )


def _next_states(delivery: Delivery) -> list[str]:
    """Where the site's agent may take a delivery from where it is."""
    if delivery.held:
        return [DeliveryState.ENDED.value, DeliveryState.FAILED.value]
    out = set()
    if delivery.active_from is None:
        out |= {DeliveryState.SUSPENDED, DeliveryState.ENDED}
    if delivery.active_from is not None or delivery.retries >= settings.DELIVERY_RETRIES:
        out.add(DeliveryState.SCHEDULED)
    return [after.value for before, after in ALLOWED_STEPS if before == delivery.state and after not in out]


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
    if step.to in SAY_WHY and not step.reason:
        raise InvalidInput("Why?", {"report.reason": f"Say why the delivery goes to “{step.to}”."})


def _check_time(delivery: Delivery, step: Step, now: datetime) -> None:
    previous = next(reversed(steps_of(delivery)), None)
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
