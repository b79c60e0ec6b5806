"""Stripe's webhooks: stored first, in a transaction of their own, then handled by a task, once.

Deliveries come late, twice, at the same time and in any order. Storing is one insert under the event's id;
handling takes the stored row, and whoever comes second finds it done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from billing.payments.handlers import HANDLERS, NotOurs
from billing.payments.models import ProviderEvent
from billing.payments.returns import TooEarly

log = structlog.get_logger(__name__)

State = ProviderEvent.State
OPEN = (State.RECEIVED, State.WAITING, State.FAILED)
# After so many tries only a person tries again.
MOST_TRIES = 50


def store(event: dict[str, Any]) -> ProviderEvent | None:
    """Write an event down, committed before anybody acts on it; ``None`` when it is there already."""
    row, is_new = ProviderEvent.objects.get_or_create(
        event_id=event["id"],
        defaults={
            "type": event["type"],
            "api_version": event.get("api_version") or "",
            "livemode": bool(event.get("livemode")),
            "payload": event,
        },
    )
    return row if is_new else None


def handle(event_id: int, *, now: datetime) -> None:
    """Do what an event asks for, unless it was done. What follows it and waited is done after it."""
    if _handle_one(event_id, now=now):
        for pk in _waiting_for(event_id):
            _handle_one(pk, now=now)


def _handle_one(event_id: int, *, now: datetime) -> bool:
    """Whether it was done just now. Whatever goes wrong undoes the whole event and is written on it."""
    try:
        with transaction.atomic():
            event = _lock(event_id)
            if event.state not in OPEN:
                return False
            state, problem = _outcome(event, now=now)
            _mark(event_id, state, problem)
            return state == State.DONE
    except TooEarly as early:
        _mark(event_id, State.WAITING, str(early))
    except Exception as error:
        log.exception("provider_event_failed", provider_event=event_id)
        _mark(event_id, State.FAILED, f"{type(error).__name__}: {error}")
    return False


def _lock(event_id: int) -> ProviderEvent:
    return ProviderEvent.objects.select_for_update(no_key=True).get(pk=event_id)


def _outcome(event: ProviderEvent, *, now: datetime) -> tuple[str, str]:
    handler = HANDLERS.get(event.type)
    if handler is None:
        return State.IGNORED, "nothing here depends on events of this type"
    try:
        handler(event.payload, now)
    except NotOurs as reason:
        return State.IGNORED, str(reason)
    return State.DONE, ""


@transaction.atomic
def _mark(event_id: int, state: str, problem: str) -> None:
    event = _lock(event_id)
    if event.state in OPEN:
        event.state, event.problem, event.tries = state, problem[:500], event.tries + 1
        event.save(update_fields=["state", "problem", "tries"])


def _waiting_for(event_id: int) -> list[int]:
    """Events that came too early and are about the payment that this one has moved, oldest first."""
    moved = ProviderEvent.objects.get(pk=event_id).payload["data"]["object"]
    rows = ProviderEvent.objects.filter(state=State.WAITING).order_by("pk")
    payment = moved["id"] if moved.get("object") == "payment_intent" else moved.get("payment_intent")
    if not payment:
        return []
    return list(rows.filter(payload__data__object__payment_intent=payment).values_list("pk", flat=True))


def open_events() -> list[int]:
    """Events that a task should try (again), oldest first: lost by the broker, too early, or failed."""
    rows = ProviderEvent.objects.filter(state__in=OPEN, tries__lt=MOST_TRIES)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:500])
