"""A delivery whose site told its hours and whose cards were metered."""

from __future__ import annotations

from decimal import Decimal

from billing.metering.models import Meter, MeteredHour
from marketplace.agreements.models import Agreement
from marketplace.audit.carbon.services import CertificateInput
from marketplace.delivery.models import Delivery
from marketplace.energy.models import EnergyBatch
from tests.billing.builders import START, make_delivery
from tests.cast import Cast
from tests.energy.builders import an_hour, told
from tests.factories import HOUR, make_fleet, make_model, make_site

BEFORE = START - 5 * HOUR


def delivered(cast: Cast, watts: int | None = 700) -> Delivery:
    """Eight cards of 700 W for four hours; of the third one nobody tells what the power is."""
    site = make_site(cast.owner, pue=Decimal("1.5"), renewable_share=Decimal(0))
    fleet = make_fleet(site, make_model("h800" if watts else "unknown", tdp_w=watts), cards=8)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, fleet=fleet)
    tell(cast, delivery)
    return delivery


def tell(cast: Cast, delivery: Delivery, grid: int = 600) -> EnergyBatch:
    hours = [
        an_hour(START, grid=Decimal(grid)),
        an_hour(START + HOUR, grid=Decimal(grid), direct=Decimal("0.25"), certificate=Decimal("0.5")),
        an_hour(START + 3 * HOUR, grid=Decimal(0)),
    ]
    return told(cast, delivery.site, hours, BEFORE)


def count(delivery: Delivery, hour: int, meter: Meter, quantity: int) -> None:
    MeteredHour.objects.create(
        delivery=delivery, slot=START + hour * HOUR, meter=meter, quantity=quantity, weight=0, readings=1
    )


def agreement_of(delivery: Delivery) -> Agreement:
    agreements = Agreement.objects.select_related(
        "allocation__offer__fleet__model", "allocation__offer__fleet__site__region"
    )
    return agreements.get(pk=delivery.agreement_id)


def certificate(first: int = 1, *, wh: int = 1_000, hour: int = 0) -> CertificateInput:
    return CertificateInput("I-REC", first, first + 9, "Yumen wind farm", START + hour * HOUR, wh)
