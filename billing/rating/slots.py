"""What a rating run looks at: the slots whose turn it is, and the facts about each.

Every query here is one statement, whatever the number of slots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Coalesce, Least

from billing.metering.models import ChangedSlot
from billing.metering.rules import active_interval
from billing.metering.storage import Cutoff, SlotKey, allocated_usage, cutoff_now
from billing.rating.judgement import Case, Charged
from billing.rating.models import DisputedSlot
from marketplace.clock import HOUR, floor_hour
from marketplace.delivery.models import Delivery

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Work:
    """What is due: the cases by the readings up to ``cutoff``, and what to tick off when they are done."""

    cases: list[Case]
    deliveries: list[int]
    changes: list[int]
    cutoff: Cutoff


def work_until(horizon: datetime) -> Work:
    """Everything about slots that ended by ``horizon``, a full hour, and that is not rated yet.

    The changes are read before the cutoff is drawn and the readings are added up: a reading that commits in
    between may be counted now, and its change is looked at again by the next run, which finds nothing to
    add. So is one of which a reading comes after the cutoff.
    """
    due = list(_due_deliveries(horizon))
    slots = {(one.pk, slot) for one in due for slot in active_slots(one, since=_since(one), until=horizon)}
    changes = list(
        ChangedSlot.objects.filter(slot__lte=horizon - HOUR).values_list(
            "pk", "reading", "delivery_id", "slot"
        )
    )
    slots.update((delivery, slot) for _, _, delivery, slot in changes)
    cutoff = cutoff_now()
    unsettled = {(delivery, slot) for _, reading, delivery, slot in changes if reading > cutoff.reading}
    return Work(
        cases=cases_of(slots, until=cutoff.reading, unsettled=unsettled),
        deliveries=[one.pk for one in due],
        changes=[pk for pk, reading, _, _ in changes if reading <= cutoff.reading],
        cutoff=cutoff,
    )


def active_slots(delivery: Delivery, *, since: datetime | None, until: datetime) -> Iterator[datetime]:
    """The slots in which the delivery was active for a second or more, and that ended by ``until``.

    ``since`` leaves out the slots before it.
    """
    active = active_interval(delivery)
    if active is None:
        return
    slot = floor_hour(max(active[0], since or active[0]))
    while slot < active[1] and slot + HOUR <= until:
        if min(active[1], slot + HOUR) - max(active[0], slot) >= SECOND:
            yield slot
        slot += HOUR


def committed(delivery: Delivery, slot: datetime) -> int:
    """The most card-seconds that a delivery can have in a slot: none outside of its activity."""
    active = active_interval(delivery)
    if active is None:
        return 0
    span = max(min(active[1], slot + HOUR) - max(active[0], slot), timedelta())
    return delivery.agreement.cards * (span // timedelta(microseconds=1)) // 1_000_000


def _due_deliveries(horizon: datetime) -> Collection[Delivery]:
    ends = Least(Coalesce("active_until", "ends_at"), horizon)
    return (
        Delivery.objects.filter(active_from__lt=horizon)
        .filter(Q(rated__isnull=True) | Q(rated__until__lt=ends))
        .select_related("rated")
        .order_by("pk")
    )


def _since(delivery: Delivery) -> datetime | None:
    return delivery.rated.until if hasattr(delivery, "rated") else None


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
    deliveries = Delivery.objects.select_related("agreement__allocation").in_bulk({pk for pk, _ in slots})
    usage = allocated_usage(slots, until=until)
    charged = _charged({(deliveries[pk].agreement_id, slot) for pk, slot in slots}, before=before)
    settled = _settled(charged.keys(), before=before)
    cases = []
    for pk, slot in sorted(slots):
        if (pk, slot) in unsettled and (pk, slot) not in usage:
            continue
        agreement = deliveries[pk].agreement
        position = (slot - agreement.allocation.starts_at) // HOUR
        prices = agreement.allocation.prices
        cases.append(
            Case(
                agreement=agreement.pk,
                slot=slot,
                cards=agreement.cards,
                committed=committed(deliveries[pk], slot),
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
