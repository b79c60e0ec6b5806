"""What no answer and no webhook has settled: looked up, handled again, or given up, by the beat.

Every step is bounded: how long something is left alone, how much a turn does, how often it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from django.db.models import F, Q

from billing.payments import intake, payouts, webhooks
from billing.payments.models import Payment, Payout, RailName
from marketplace.errors import DomainError

log = structlog.get_logger(__name__)

# Longer than a call may take, so that nobody looks for what is still being sent.
LEFT_ALONE = timedelta(minutes=2)
# A webhook tells sooner; this is for the one that never came.
ASKED_AGAIN = timedelta(hours=1)
ABANDONED = timedelta(days=1)
MOST_A_TURN = 100


def sweep(*, now: datetime) -> None:
    """``now`` is market time; how long something has waited at a provider is wall time."""
    wall = datetime.now(UTC)
    for event in webhooks.open_events():
        webhooks.handle(event, now=now)
    for payment in _unsettled_payments(wall):
        _try(lambda each=payment: _settle(each, wall, now=now), payment=str(payment.operation))  # type: ignore[misc]
    for batch in _unsent_batches():
        payouts.send_batch(batch, now=now)
    for payout in _unsettled_payouts(wall):
        _try(lambda each=payout: payouts.look_up(each, now=now), payout=str(payout.operation))  # type: ignore[misc]


def _unsettled_payments(wall: datetime) -> list[Payment]:
    """The ones whose outcome is not known first; never those that wait for a transfer."""
    unknown = Q(state__in=[Payment.State.CREATED, Payment.State.UNKNOWN])
    quiet = Q(looked_up_at=None) | Q(looked_up_at__lt=wall - ASKED_AGAIN)
    waiting = Q(state__in=[Payment.State.PROCESSING, Payment.State.REQUIRES_ACTION]) & quiet
    rows = Payment.objects.filter(unknown | waiting, rail=RailName.STRIPE)
    rows = rows.filter(sent_at__lt=wall - LEFT_ALONE)
    return list(
        rows.select_related("invoice", "method").order_by(F("looked_up_at").asc(nulls_first=True))[
            :MOST_A_TURN
        ]
    )


def _settle(payment: Payment, wall: datetime, *, now: datetime) -> None:
    settled = intake.look_up(payment, now=now)
    abandoned = settled.sent_at is not None and wall - settled.sent_at > ABANDONED
    if abandoned and settled.state == Payment.State.REQUIRES_ACTION:
        intake.give_up(settled, now=now)


def _unsent_batches() -> list[int]:
    """Approved, and the broker lost the task that sends them."""
    rows = Payout.objects.filter(batch__rail=RailName.STRIPE, state=Payout.State.INSTRUCTED, sent_at=None)
    return list(rows.order_by("batch").values_list("batch", flat=True).distinct()[:MOST_A_TURN])


def _unsettled_payouts(wall: datetime) -> list[Payout]:
    rows = Payout.objects.filter(
        batch__rail=RailName.STRIPE,
        state__in=[Payout.State.INSTRUCTED, Payout.State.UNKNOWN],
        sent_at__lt=wall - LEFT_ALONE,
    )
    return list(rows.select_related("connected", "batch").order_by("pk")[:MOST_A_TURN])


def _try(step: Callable[[], object], **names: str) -> None:
    """One that cannot be settled stops none of the others; the log and its row say why."""
    try:
        step()
    except DomainError:
        log.exception("not_settled", **names)
