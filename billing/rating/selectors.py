"""Reading charges: the parties of the agreement see theirs, auditors and operators see all."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from accounts.actors import Capability, Viewer
from billing.metering.models import Meter, Reading
from billing.rating.models import (
    OF_MONTHS,
    Charge,
    Dispute,
    DisputedSlot,
    ParkedUsage,
    RatingRun,
    UsageReport,
)


def charges_for(viewer: Viewer) -> QuerySet[Charge]:
    """Newest first, with the agreement and its parties, the charge it corrects and its lines."""
    rows = Charge.objects.select_related(
        "agreement__buyer", "agreement__owner", "agreement__delivery", "corrects", "run"
    ).order_by("-pk")
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(agreement__buyer__in=mine) | Q(agreement__owner__in=mine))


def totals_of(charges: QuerySet[Charge]) -> QuerySet[Charge, Any]:
    """What charges add up to, a row for each currency, at full precision; the quantity is that of usage."""
    return (
        charges.order_by("currency")
        .values("currency")
        .annotate(
            total_quantity=Sum("quantity", filter=~Q(kind__in=OF_MONTHS), default=0),
            total_amount=Sum("amount"),
            total_commission=Sum("commission"),
            total_credit=Sum("credit"),
            charges=Count("pk"),
        )
    )


def parked_for(viewer: Viewer) -> QuerySet[ParkedUsage]:
    """Newest first, for operators and auditors; nobody else sees the queue."""
    rows = ParkedUsage.objects.select_related(
        "agreement__buyer", "agreement__owner", "agreement__delivery__site", "run"
    ).order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def runs_for(viewer: Viewer) -> QuerySet[RatingRun]:
    """Newest first: all for operators and auditors, those that charged an agreement of theirs for parties."""
    rows = RatingRun.objects.order_by("-pk")
    if viewer.sees_everything:
        return rows
    return rows.filter(Exists(charges_for(viewer).order_by().filter(run=OuterRef("pk"))))


def readings_of(charge: Charge) -> QuerySet[Reading]:
    """The readings that this charge added, or those that a credit for the service level looked at.

    Whoever may see the charge may see them.
    """
    if charge.kind == Charge.Kind.COVER:
        return Reading.objects.none()
    if charge.kind == Charge.Kind.SLA_CREDIT:
        readings = Reading.objects.filter(
            delivery__agreement=charge.agreement_id, meter=Meter.ALLOCATED, pk__lte=charge.last_reading
        )
        return readings.select_related("delivery").order_by("starts_at", "pk")
    after = charge.corrects.last_reading if charge.corrects is not None else 0
    return (
        Reading.objects.filter(
            delivery__agreement=charge.agreement_id,
            slot=charge.slot,
            meter=Meter.ALLOCATED,
            pk__gt=after,
            pk__lte=charge.last_reading,
        )
        .select_related("delivery")
        .order_by("starts_at", "pk")
    )


def history_of(charge: Charge) -> QuerySet[Charge]:
    """All charges of the same slot and kind, first to last."""
    same = Charge.objects.filter(agreement=charge.agreement_id, slot=charge.slot, kind=charge.kind)
    return same.order_by("sequence")


def disputes_for(viewer: Viewer) -> QuerySet[Dispute]:
    """Newest first, with ``slot_count``: those of its agreements for each party, all for the exchange."""
    rows = Dispute.objects.select_related("agreement__buyer", "agreement__owner").order_by("-pk")
    rows = rows.annotate(slot_count=Count("slots"))
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(agreement__buyer__in=mine) | Q(agreement__owner__in=mine))


def usage_reports_for(viewer: Viewer) -> QuerySet[UsageReport]:
    """What buyers reported, newest first; both parties see it."""
    rows = UsageReport.objects.select_related("agreement").order_by("-pk")
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(agreement__buyer__in=mine) | Q(agreement__owner__in=mine))


def not_held(charges: QuerySet[Charge]) -> QuerySet[Charge]:
    """Those that no open dispute holds."""
    held = DisputedSlot.objects.filter(agreement=OuterRef("agreement"), slot=OuterRef("slot"), is_open=True)
    return charges.exclude(Exists(held))


def disputes_of(charge: Charge) -> QuerySet[Dispute]:
    """The disputes about the slot of a charge, newest first."""
    slots = DisputedSlot.objects.filter(agreement=charge.agreement_id, slot=charge.slot)
    return Dispute.objects.filter(pk__in=slots.values("dispute")).order_by("-pk")
