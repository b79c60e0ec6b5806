"""Which hours of the past a change touched since the last look.

What sites report is followed by the readings' own order, what is charged by the runs of rating, and
everything else (an offer withdrawn, a fleet resized, a delivery that ended before its time, a run that
committed late) by the sealed links of the audit chain: each is numbered in the order in which it became
visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from accounts.models import AuditSeal
from billing.metering.storage import cutoff_now
from billing.rating.models import RatingRun
from marketplace.audit.utilisation.models import RolledUntil

INTO = "INSERT INTO utilisation_wanted SELECT DISTINCT"
HERE = "slot >= %(since)s AND slot < %(until)s"
OF_DELIVERY = """
    JOIN agreements_agreement agreement ON agreement.id = {agreement}
    JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
    JOIN supply_offer offer ON offer.id = allocation.offer_id
"""
READINGS = f"""
    {INTO} offer.fleet_id, slot FROM metering_reading reading
    JOIN delivery_delivery delivery ON delivery.id = reading.delivery_id
    {OF_DELIVERY.format(agreement="delivery.agreement_id")}
    WHERE reading.id > %(reading)s AND reading.id <= %(reading_now)s AND {HERE}
    ON CONFLICT DO NOTHING
"""
CHARGES = f"""
    {INTO} offer.fleet_id, slot FROM rating_charge charge
    {OF_DELIVERY.format(agreement="charge.agreement_id")}
    WHERE charge.run_id > %(charge_run)s AND charge.run_id <= %(charge_run_now)s AND {HERE}
    ON CONFLICT DO NOTHING
"""
SEALED = """
    sealed AS (
        SELECT event.object_type, event.object_id::bigint AS id FROM accounts_auditseal seal
        JOIN accounts_auditevent event ON event.id = seal.event_id
        WHERE seal.position > %(seal)s AND seal.position <= %(seal_now)s AND event.object_type IN
            ('supply.fleet', 'supply.offer', 'supply.offerbatch', 'delivery.delivery', 'clearing.marketrun')
    )
"""
# Fleets, and between which moments something about them was changed.
EVENTS = f"""
    WITH {SEALED}, touched AS (
        SELECT fleet.id AS fleet_id, fleet.installed_at AS starts_at, 'infinity'::timestamptz AS ends_at
        FROM supply_fleet fleet JOIN sealed ON object_type = 'supply.fleet' AND sealed.id = fleet.id
        UNION ALL
        SELECT offer.fleet_id, offer.starts_at, offer.ends_at FROM supply_offer offer
        JOIN sealed ON (object_type = 'supply.offer' AND sealed.id = offer.id)
            OR (object_type = 'supply.offerbatch' AND sealed.id = offer.batch_id)
        UNION ALL
        SELECT offer.fleet_id, delivery.starts_at, delivery.ends_at FROM delivery_delivery delivery
        JOIN sealed ON object_type = 'delivery.delivery' AND sealed.id = delivery.id
        {OF_DELIVERY.format(agreement="delivery.agreement_id")}
        UNION ALL
        SELECT fleet.id, run.horizon_start, 'infinity' FROM clearing_marketrun run
        JOIN sealed ON object_type = 'clearing.marketrun' AND sealed.id = run.id CROSS JOIN supply_fleet fleet
    )
    {INTO} touched.fleet_id, slot FROM touched
    CROSS JOIN LATERAL generate_series(
        greatest(%(since)s, date_trunc('hour', touched.starts_at, 'UTC')),
        least(%(until)s, touched.ends_at) - interval '1 microsecond', interval '1 hour') AS slot
    ON CONFLICT DO NOTHING
"""  # noqa: S608 constants of this module


@dataclass(frozen=True, slots=True)
class Position:
    """The newest reading, rating run and link of the audit chain that count."""

    reading: int
    charge_run: int
    seal: int


def position_now() -> Position:
    return Position(
        reading=cutoff_now().reading,
        charge_run=RatingRun.objects.aggregate(last=Max("pk"))["last"] or 0,
        seal=AuditSeal.objects.aggregate(last=Max("position"))["last"] or 0,
    )


def want_changed(seen: RolledUntil, position: Position, *, since: datetime, until: datetime) -> None:
    """Add to the wanted hours those in ``[since, until)`` that changed from ``seen`` to ``position``."""
    facts: dict[str, Any] = {
        "since": since,
        "until": until,
        "reading": seen.reading,
        "reading_now": position.reading,
        "charge_run": seen.charge_run,
        "charge_run_now": position.charge_run,
        "seal": seen.seal,
        "seal_now": position.seal,
    }
    with connection.cursor() as cursor:
        for statement in (READINGS, CHARGES, EVENTS):
            cursor.execute(statement, facts)
