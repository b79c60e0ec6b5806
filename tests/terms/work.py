"""Work of one class under a term agreement in nP-hours: cards of two models do it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import AcceleratorModel, PerformanceProfile
from marketplace.clearing.models import Allocation
from marketplace.delivery.models import Delivery
from marketplace.demand.models import ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.services import create_request
from marketplace.supply.models import Offer
from marketplace.supply.rules import OfferInput
from marketplace.supply.services import create_offer
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import MICRO, Sheet, Unit
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.factories import make_fleet, make_model, make_profile_version, make_site
from tests.terms.months import CALENDAR, HOUR, MONTH, NOON
from tests.terms.months import SHEET as CARD_HOURS
from tests.terms.scenes import APRIL, agreement_of, concluded

BEFORE = APRIL - HOUR
H800, OTHER = Decimal("0.989"), Decimal("0.4")
SHEET = Sheet(
    unit=Unit.NP_HOUR,
    quantity=100 * MICRO,
    price=12_500_000,
    take_or_pay=800_000,
    tiers=(),
    make_up_months=0,
    carry_forward_months=0,
)
IN_NP: dict[str, Any] = {"model": None, "workload": "training", "sheet": SHEET}
MONTHLY = replace(CARD_HOURS, unit=Unit.NP_HOUR, quantity=10 * MICRO)


def profile(model: AcceleratorModel, np: Decimal, version: int = 1, workload: str = "training") -> None:
    PerformanceProfile.objects.create(
        version=make_profile_version(version),
        model=model,
        workload=workload,
        rate=np,
        lower=np / 2,
        upper=np * 2,
        evidence_kind="datasheet",
        evidence={},
    )


def two_models() -> tuple[AcceleratorModel, AcceleratorModel]:
    make_reference()
    made = make_model(), make_model("ascend-910b2")
    for model, np in zip(made, (H800, OTHER), strict=True):
        profile(model, np)
    return made


def reserve(
    cast: Cast, term: TermAgreement, model: AcceleratorModel, cards: int = 8, **changes: Any
) -> Offer:
    fleet = make_fleet(make_site(cast.owner), model, cards=cards)
    offer = OfferInput(cards=cards, starts_at=term.starts_at, ends_at=term.starts_at + 16 * HOUR, asks=())
    return create_offer(
        viewer=cast.viewer_of(cast.owner_trader),
        fleet=fleet,
        offer=replace(offer, **changes),
        now=term.starts_at - 2 * HOUR,
        reserved_for=term.pk,
    )


def call_off(
    cast: Cast, term: TermAgreement, np: str, *, now: datetime | None = None, **changes: Any
) -> ComputeRequest:
    alternative = AlternativeInput(
        unit="np",
        amount=Decimal(np),
        workload="training",
        earliest_start=term.starts_at,
        hours=4,
        deadline=term.starts_at + 16 * HOUR,
    )
    groups = {name: changes.pop(name) for name in ("shared_budget", "least_share") if name in changes}
    return create_request(
        viewer=cast.viewer_of(cast.buyer_trader),
        organisation=cast.buyer,
        request=RequestInput("Work", "CNY", [replace(alternative, **changes)], under=term.pk, **groups),
        now=now or term.starts_at - 2 * HOUR,
    )


def sold() -> list[tuple[str, int, set[Decimal]]]:
    """Model, cards and prices of what was called off."""
    rows = Allocation.objects.order_by("pk").select_related("offer__fleet__model")
    return [(row.offer.fleet.model.slug, row.cards, set(row.prices)) for row in rows]


def placed(cast: Cast, term: TermAgreement, month: int, np: str, hours: int = 4) -> Delivery:
    """Called off for the first hours of a month, placed by the market, and under way."""
    start = term.starts_at + month * MONTH
    request = call_off(
        cast, term, np, now=start - 2 * HOUR, earliest_start=start, hours=hours, deadline=start + hours * HOUR
    )
    run(start - HOUR)
    agreement = Agreement.objects.get(allocation__request=request)
    return Delivery.objects.create(
        agreement=agreement,
        site=agreement.allocation.offer.fleet.site,
        state="active",
        starts_at=agreement.starts_at,
        ends_at=agreement.ends_at,
        active_from=agreement.starts_at,
        acceptance={"passed": True},
    )


def short_months(cast: Cast, settings: Any, sheet: Sheet = MONTHLY) -> TermAgreement:
    settings.TERM_CALENDAR = CALENDAR
    return concluded(cast, starts_at=NOON, months=4, model=None, workload="training", sheet=sheet)


def owed(term: TermAgreement) -> list[tuple[str, Decimal, Decimal]]:
    """What its months were charged beside their usage: kind, nP-hours, amount."""
    charges = Charge.objects.filter(agreement=agreement_of(term)).order_by("pk")
    return [(each.kind, Decimal(each.quantity) / 3600 / MICRO, each.amount) for each in charges]
