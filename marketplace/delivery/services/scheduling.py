"""A delivery for each agreement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from accounts import audit
from accounts.actors import task_actor
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from marketplace.delivery.selectors import agreements_to_schedule
from marketplace.delivery.services.access import ensure_keys

BATCH = 500
SCHEDULING_LOCK = 0xDE11


def schedule_new(*, now: datetime, only_newest: bool = False) -> int:
    """Schedule a delivery for agreements that have none; returns how many.

    Idempotent. One scheduler at a time: a second one leaves the work to the first. An agent's poll
    asks with ``only_newest``, which costs one index look-up where there is nothing to do.
    """
    scheduled = 0
    while True:
        done = _schedule_batch(now, only_newest=only_newest)
        scheduled += done
        if done < BATCH:
            return scheduled


def _schedule_batch(now: datetime, *, only_newest: bool) -> int:
    if not agreements_to_schedule(only_newest=only_newest).exists():
        return 0
    with transaction.atomic():
        if not _only_scheduler():
            return 0
        agreements = list(agreements_to_schedule(only_newest=only_newest)[:BATCH])
        ensure_keys({agreement.buyer_id for agreement in agreements}, now=now)
        _record(Delivery.objects.bulk_create(_delivery(agreement) for agreement in agreements), now)
        return len(agreements)


def _delivery(agreement: Agreement) -> Delivery:
    return Delivery(
        agreement=agreement,
        site_id=agreement.allocation.offer.fleet.site_id,
        starts_at=agreement.starts_at,
        ends_at=agreement.ends_at,
    )


def _record(deliveries: Sequence[Delivery], now: datetime) -> None:
    actor = task_actor("delivery.schedule")
    for delivery in deliveries:
        audit.record(
            actor=actor,
            action="delivery.scheduled",
            target=delivery,
            now=now,
            organisation=delivery.agreement.owner_id,
            data={"agreement": delivery.agreement_id, "site": delivery.site_id},
        )


def _only_scheduler() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SCHEDULING_LOCK])
        return bool(cursor.fetchone()[0])
