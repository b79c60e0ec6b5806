"""What the workers do for payments. Each calls one function, and may be delivered twice."""

from __future__ import annotations

from celery import shared_task

from billing.payments import payouts, sweeping, webhooks
from marketplace.clock import market_now


@shared_task(name="billing.handle_provider_event")
def handle_provider_event(event_id: int) -> None:
    webhooks.handle(event_id, now=market_now())


@shared_task(name="billing.send_payouts")
def send_payouts(batch_id: int) -> None:
    payouts.send_batch(batch_id, now=market_now())


@shared_task(name="billing.sweep_payments")
def sweep_payments() -> None:
    sweeping.sweep(now=market_now())
