"""Both sides' figures next to each other, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from billing.metering.models import Meter, MeteredHour
from billing.rating.models import Charge, Dispute, UsageReport


@dataclass(frozen=True, slots=True)
class Comparison:
    """Card-seconds of one slot: the site's, the buyer's, what was charged and what was decided.

    ``None`` where nothing was reported or decided: that is not a zero.
    """

    slot: datetime
    allocated: int | None
    active: int | None
    reported: int | None
    note: str
    charged: int
    decided: int | None

    @property
    def difference(self) -> int | None:
        """What the buyer saw less what the site reported as allocated."""
        if self.reported is None or self.allocated is None:
            return None
        return self.reported - self.allocated


def comparisons_of(dispute: Dispute) -> list[Comparison]:
    """One for each disputed slot, in their order; four queries, whatever their number."""
    agreement, slots = dispute.agreement_id, list(dispute.slots.order_by("slot"))
    moments = [each.slot for each in slots]
    hours = MeteredHour.objects.filter(delivery__agreement=agreement, slot__in=moments)
    metered = {(hour.slot, hour.meter): hour.quantity for hour in hours}
    reports = UsageReport.objects.filter(agreement=agreement, slot__in=moments).order_by("pk")
    seen = {report.slot: report for report in reports}
    charges = Charge.objects.filter(agreement=agreement, slot__in=moments).order_by()
    charged = dict(charges.values_list("slot").annotate(Sum("quantity")))
    return [
        Comparison(
            slot=each.slot,
            allocated=metered.get((each.slot, Meter.ALLOCATED)),
            active=metered.get((each.slot, Meter.ACTIVE)),
            reported=seen[each.slot].quantity if each.slot in seen else None,
            note=seen[each.slot].note if each.slot in seen else "",
            charged=charged.get(each.slot, 0),
            decided=each.quantity,
        )
        for each in slots
    ]
