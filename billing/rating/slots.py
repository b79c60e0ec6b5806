"""What rating knows about slots: every query here is one statement, whatever the number of slots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np
from django.db import connection

from billing.metering.rules import HOUR, SECOND, active_interval, microseconds
from billing.metering.storage import SlotKey, allocated_usage
from billing.money import Units
from billing.rating.judgement import Case, Charged
from billing.rating.models import DisputedSlot
from marketplace.clock import HOUR as AN_HOUR
from marketplace.delivery.models import Delivery


def active_time(active_from: Units, active_until: Units, slot: Units) -> Units:
    """For how many microseconds of a slot a delivery was active; moments are microseconds as well."""
    time: Units = np.maximum(np.minimum(active_until, slot + HOUR) - np.maximum(active_from, slot), 0)
    return time


def committed(cards: Units, active: Units) -> Units:
    """The most card-seconds that a delivery can have in a slot: none outside of its activity."""
    card_seconds: Units = cards * active // SECOND
    return card_seconds


def _committed(delivery: Delivery, slot: datetime) -> int:
    interval = active_interval(delivery)
    if interval is None:
        return 0
    active_from, active_until = map(microseconds, interval)
    active = int(active_time(active_from, active_until, microseconds(slot)))
    return committed(delivery.agreement.cards, active - _suspended_time(delivery, active_until, slot))


def _suspended_time(delivery: Delivery, active_until: int, slot: datetime) -> int:
    """For how many microseconds of a slot the cards were taken away; one that lasts, to the end."""
    return sum(
        int(
            active_time(
                microseconds(one.starts_at),
                active_until if one.ends_at is None else min(microseconds(one.ends_at), active_until),
                microseconds(slot),
            )
        )
        for one in delivery.suspensions.all()
    )


def cases_of(
    slots: Collection[SlotKey],
    *,
    until: int,
    before: int | None = None,
    unsettled: Collection[SlotKey] = frozenset(),
) -> list[Case]:
    """The facts about each slot, in a fixed order, by the readings up to ``until``.

    With ``before``, a run, what was charged is what was charged before it. A slot whose first readings come
    after ``until`` (one of ``unsettled``) is left out: it is not one without readings.
    """
    known = Delivery.objects.select_related("agreement__allocation").prefetch_related("suspensions")
    deliveries = known.in_bulk({pk for pk, _ in slots})
    usage = allocated_usage(slots, until=until)
    charged = _charged({(deliveries[pk].agreement_id, slot) for pk, slot in slots}, before=before)
    settled = _settled(charged.keys(), before=before)
    cases = []
    for pk, slot in sorted(slots):
        if (pk, slot) in unsettled and (pk, slot) not in usage:
            continue
        agreement = deliveries[pk].agreement
        position = (slot - agreement.allocation.starts_at) // AN_HOUR
        prices = agreement.allocation.prices
        cases.append(
            Case(
                agreement=agreement.pk,
                slot=slot,
                cards=agreement.cards,
                committed=_committed(deliveries[pk], slot),
                price=prices[position] if 0 <= position < len(prices) else None,
                currency=agreement.currency,
                commission_rate=agreement.commission_rate,
                usage=usage.get((pk, slot)),
                charged=charged.get((agreement.pk, slot)),
                settled_until=settled.get((agreement.pk, slot)),
            )
        )
    return cases


def _charged(slots: Collection[SlotKey], *, before: int | None) -> dict[SlotKey, Charged]:
    """What was charged already, by agreement and slot; before a run, where one is named."""
    if not slots:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.agreement_id, wanted.slot, total.*
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS wanted (agreement_id, slot)
            CROSS JOIN LATERAL (
                SELECT sum(quantity)::bigint, sum(amount), sum(commission),
                       (array_agg(id ORDER BY sequence DESC))[1] AS last_charge, max(sequence)
                FROM rating_charge charge
                WHERE charge.agreement_id = wanted.agreement_id AND charge.slot = wanted.slot
                    AND charge.kind = 'usage'
                    AND (%s::bigint IS NULL OR charge.run_id < %s)
            ) AS total
            WHERE total.last_charge IS NOT NULL
            """,
            [[pk for pk, _ in slots], [slot for _, slot in slots], before, before],
        )
        return {(pk, slot): Charged(*rest) for pk, slot, *rest in cursor.fetchall()}


def _settled(slots: Collection[SlotKey], *, before: int | None) -> dict[SlotKey, int]:
    """The cutoff of the last dispute that set a slot's quantity, by agreement and slot."""
    decided = DisputedSlot.objects.filter(
        agreement__in={agreement for agreement, _ in slots}, run__isnull=False
    )
    if before is not None:
        decided = decided.filter(run__lt=before)
    rows = decided.order_by("run").values_list("agreement", "slot", "run__last_reading")
    return {(agreement, slot): reading for agreement, slot, reading in rows}
