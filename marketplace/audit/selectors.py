"""What the exchange has done so far, in counts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from billing.invoicing.models import Document, Line
from billing.metering.models import MeteredHour
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import MarketRun
from marketplace.delivery.models import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Activity:
    """How much the exchange has done so far, in counts that name nobody."""

    runs_committed: int
    agreements: int
    deliveries_active: int
    readings: int
    charges: int
    invoice_lines: int


def activity() -> Activity:
    return Activity(
        runs_committed=MarketRun.objects.filter(state=MarketRun.State.COMMITTED).count(),
        agreements=Agreement.objects.count(),
        deliveries_active=Delivery.objects.filter(state=DeliveryState.ACTIVE).count(),
        readings=MeteredHour.objects.aggregate(events=Sum("readings"))["events"] or 0,
        charges=Charge.objects.count(),
        invoice_lines=Line.objects.filter(document__kind=Document.Kind.INVOICE).count(),
    )
