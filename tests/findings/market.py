"""Hundreds of honest sites over three days, written straight to the database, and the cheats among them.

Load comes from the demo's real duty cycles. Honest is not perfect: power varies from site to site and hour to
hour, some deliveries fail, buyers miscount by a per cent, one owner's affiliate buys a little of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Organisation, User
from billing.metering.models import MeteredHour
from billing.rating.models import UsageReport
from demo.duty_cycle import busy_seconds
from demo.plants import Plant, Told, buyer_saw, told
from marketplace.agents.models import IdleCardHour
from marketplace.agreements.models import Agreement
from marketplace.audit.findings.models import OwnershipLink
from marketplace.catalogue.models import FxRate
from marketplace.clearing.models import Allocation, ClearingPrice, MarketRun
from marketplace.delivery.models import Delivery, DeliveryTransition
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.supply.models import Fleet, Offer, Site
from tests.factories import make_model, make_profile_version, make_region, make_zone

HOUR = timedelta(hours=1)
HOURS = 72
CARDS = 32
NOISE_OF_SITE, NOISE_OF_HOUR = 0.012, 0.02
PRICES = {"h800": "16", "a800": "10", "910b": "8", "l40s": "6"}
POWER = {"h800": 700, "a800": 400, "910b": 310, "l40s": 350}


@dataclass(slots=True)
class Sale:
    """An agreement to be made. ``failed`` is one that was dropped half an hour before it began."""

    fleet: Fleet
    buyer: Organisation
    cards: int
    start: datetime
    hours: int
    price: Decimal
    failed: bool = False
    plant: Plant | None = None
    is_idle: bool = False
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def end(self) -> datetime:
        return self.start + self.hours * HOUR


@dataclass(slots=True)
class Market:
    sites: list[Site]
    planted: dict[Plant, Site]
    sham: tuple[Organisation, Organisation]
    sales: list[Sale]


def make_market(start: datetime, *, sites: int, seed: int = 1, operator: User) -> Market:
    luck = random.Random(seed)
    FxRate.objects.create(currency="CNY", cny=1, valid_from=start - 24 * HOUR, source="a test")
    make_profile_version()
    owners = _organisations("owner", max(sites // 2, 4))
    buyers = _organisations("buyer", max(sites // 5, 6))
    made = _sites(owners, sites)
    fleets = _fleets(made, start)
    planted = {Plant.MINING: made[0], Plant.LYING_METER: made[1], Plant.NOT_THERE: made[2]}
    sham_owner, sham_buyer = made[3].owner, buyers[0]
    cheats = {site.pk: plant for plant, site in planted.items()}
    sales = [sale for fleet in fleets for sale in _sales(fleet, buyers[1:], start, luck, cheats)]
    _link(fleets[-1].site.owner, sales[-1].buyer, operator, start)
    sales += _sham(fleets[3], sham_buyer, start)
    _link(sham_owner, sham_buyer, operator, start)
    _conclude(sales, start)
    _prices(start, luck)
    _meter(sales, luck)
    _report(sales, luck)
    _idle(made[-20:], start, luck)
    return Market(made, planted, (sham_owner, sham_buyer), sales)


def _organisations(kind: str, count: int) -> list[Organisation]:
    return Organisation.objects.bulk_create(
        Organisation(kind=kind, name_en=f"{kind} {n}", name_zh=f"{kind} {n} 号", jurisdiction="CN")
        for n in range(count)
    )


def _sites(owners: list[Organisation], count: int) -> list[Site]:
    regions = [make_region(), make_region("cn-gansu", make_zone("cn-west"))]
    return Site.objects.bulk_create(
        Site(
            owner=owners[n % len(owners)],
            region=regions[n % 2],
            name_en=f"Site {n}",
            name_zh=f"{n} 号机房",
            pue=Decimal("1.2"),
            renewable_share=Decimal("0.4"),
            bandwidth_mbps=10_000,
        )
        for n in range(count)
    )


def _fleets(sites: list[Site], start: datetime) -> list[Fleet]:
    models = [make_model(slug, tdp_w=watts) for slug, watts in POWER.items()]
    return Fleet.objects.bulk_create(
        Fleet(
            site=site,
            model=models[n // 2 % len(models)],
            stack=models[0].stack,
            cards=CARDS * 8 if n in {2, 3} else CARDS,
            node_size=8,
            interconnect="RoCE",
            installed_at=start - 1000 * HOUR,
        )
        for n, site in enumerate(sites)
    )


def _sales(
    fleet: Fleet, buyers: list[Organisation], start: datetime, luck: random.Random, cheats: dict[int, Plant]
) -> Iterator[Sale]:
    """Three of a few cards each, which overlap. The cards that are not there are sold in larger lots."""
    plant = cheats.get(fleet.site_id)
    for number in range(6 if plant is Plant.NOT_THERE else 3):
        missing = plant is Plant.NOT_THERE and number > 0
        yield Sale(
            fleet=fleet,
            buyer=luck.choice(buyers),
            cards=CARDS if missing else luck.choice([4, 8]),
            start=start + luck.randrange(2, 12) * HOUR,
            hours=luck.randrange(40, 56),
            price=(Decimal(PRICES[fleet.model.slug]) * Decimal(luck.lognormvariate(0, 0.12))).quantize(
                Decimal("0.01")
            ),
            failed=missing or luck.random() < 0.02,
            plant=plant,
        )


def _sham(fleet: Fleet, buyer: Organisation, start: datetime) -> Iterator[Sale]:
    """The affiliate takes cards again and again, at the market's price, and does nothing with them."""
    for number in range(12):
        yield Sale(
            fleet=fleet,
            buyer=buyer,
            cards=CARDS,
            start=start + (2 + 5 * number) * HOUR,
            hours=5,
            price=Decimal(PRICES[fleet.model.slug]),
            is_idle=True,
        )


def _link(controller: Organisation, controlled: Organisation, operator: User, start: datetime) -> None:
    OwnershipLink.objects.create(
        controller=controller,
        controlled=controlled,
        since=start - 1000 * HOUR,
        source="company register",
        entered_by=operator,
        entered_at=start,
    )


def _conclude(sales: list[Sale], start: datetime) -> None:
    """Offers, requests, allocations, agreements and deliveries, each in one statement."""
    runs = MarketRun.objects.bulk_create(
        MarketRun(
            state="failed", opened_at=start + n * HOUR, horizon_start=start, slots=168, base_currency="CNY"
        )
        for n in range(HOURS)
    )
    offers = Offer.objects.bulk_create(
        Offer(
            fleet=sale.fleet,
            cards=sale.cards,
            starts_at=sale.start,
            ends_at=sale.end,
            asks=[Decimal(1)],
            currency="CNY",
            entered_at=start,
        )
        for sale in sales
    )
    requests = ComputeRequest.objects.bulk_create(
        ComputeRequest(organisation=sale.buyer, title="A run", currency="CNY", entered_at=start)
        for sale in sales
    )
    alternatives = Alternative.objects.bulk_create(
        Alternative(
            request=request,
            position=0,
            unit="cards",
            amount=Decimal(sale.cards),
            limit=Decimal(100),
            workload="training",
            earliest_start=sale.start,
            hours=sale.hours,
            deadline=sale.end,
        )
        for sale, request in zip(sales, requests, strict=True)
    )
    allocations = Allocation.objects.bulk_create(
        Allocation(
            run=runs[(sale.start - start) // HOUR - 1],
            request=alternative.request,
            alternative=alternative,
            offer=offer,
            cards=sale.cards,
            starts_at=sale.start,
            ends_at=sale.end,
            currency="CNY",
            prices=[sale.price] * sale.hours,
            fx_rate=1,
        )
        for sale, alternative, offer in zip(sales, alternatives, offers, strict=True)
    )
    version = make_profile_version()
    agreements = Agreement.objects.bulk_create(
        Agreement(
            allocation=allocation,
            buyer=sale.buyer,
            owner=sale.fleet.site.owner,
            profile_version=version,
            currency="CNY",
            cards=sale.cards,
            starts_at=sale.start,
            ends_at=sale.end,
            card_hours=sale.cards * sale.hours,
            value=sale.cards * sale.hours * sale.price,
            commission_rate=Decimal("0.03"),
            terms={},
            terms_digest="0" * 64,
            concluded_at=sale.start - HOUR,
        )
        for sale, allocation in zip(sales, allocations, strict=True)
    )
    _deliver(sales, agreements)


def _deliver(sales: list[Sale], agreements: list[Agreement]) -> None:
    deliveries = Delivery.objects.bulk_create(
        Delivery(
            agreement=agreement,
            site=sale.fleet.site,
            starts_at=sale.start,
            ends_at=sale.end,
            **(
                {"state": "failed", "failure": "Acceptance: fewer cards than sold.", "fault": "owner"}
                if sale.failed
                else {
                    "state": "ended",
                    "active_from": sale.start,
                    "active_until": sale.end,
                    "acceptance": {"passed": True},
                }
            ),
        )
        for sale, agreement in zip(sales, agreements, strict=True)
    )
    for sale, delivery in zip(sales, deliveries, strict=True):
        sale.delivery = delivery
    DeliveryTransition.objects.bulk_create(
        DeliveryTransition(
            delivery=sale.delivery,
            from_state="accepting",
            to_state="failed",
            at=sale.start - HOUR / 2,
            report={},
        )
        for sale in sales
        if sale.failed
    )


def _prices(start: datetime, luck: random.Random) -> None:
    run = MarketRun.objects.earliest("pk")
    ClearingPrice.objects.bulk_create(
        ClearingPrice(
            run=run,
            model=make_model(slug),
            zone=zone,
            slot=start + n * HOUR,
            currency="CNY",
            price=(Decimal(price) * Decimal(luck.lognormvariate(0, 0.12))).quantize(Decimal("0.01")),
            cards=8,
        )
        for slug, price in PRICES.items()
        for zone in (make_zone(), make_zone("cn-west"))
        for n in range(HOURS)
    )


def _meter(sales: list[Sale], luck: random.Random) -> None:
    factors: dict[int, float] = {}
    MeteredHour.objects.bulk_create(
        (
            MeteredHour(
                delivery=sale.delivery,
                slot=slot,
                meter=meter,
                quantity=quantity,
                weight=3_600_000_000,
                readings=2,
            )
            for sale in sales
            if not sale.failed
            for slot in (sale.start + n * HOUR for n in range(sale.hours))
            for meter, quantity in _hour(
                sale,
                slot,
                factors.setdefault(sale.fleet.site_id, luck.gauss(1, NOISE_OF_SITE))
                * luck.gauss(1, NOISE_OF_HOUR),
            )
        ),
        batch_size=5_000,
    )


def _hour(sale: Sale, slot: datetime, noise: float) -> Iterator[tuple[str, int]]:
    allocated, tdp = sale.cards * 3600, sale.fleet.model.tdp_w or 0
    keys = (f"{sale.delivery.pk}/{card}" for card in range(sale.cards))
    active = 0 if sale.is_idle else sum(busy_seconds(key, slot, slot + HOUR) for key in keys)
    energy = int(tdp * (0.25 * allocated + 0.75 * active) / 3600 * noise)
    name = f"{sale.delivery.pk}/{slot}"
    said = told(sale.plant, name, Told(allocated, active, energy), tdp_w=tdp)
    yield "card-seconds.allocated", said.allocated
    yield "card-seconds.active", said.active
    yield "energy.wh", said.energy or 0


def _report(sales: list[Sale], luck: random.Random) -> None:
    """Every fifth buyer reports what it saw, and those of the lying site do."""
    UsageReport.objects.bulk_create(
        UsageReport(
            agreement=sale.delivery.agreement,
            slot=sale.start + n * HOUR,
            name=f"h{n}",
            quantity=min(
                int(buyer_saw(sale.plant, sale.cards * 3600) * luck.gauss(1, 0.01)), sale.cards * 3600
            ),
            reported_at=sale.end,
        )
        for place, sale in enumerate(sales)
        if not sale.failed and (place % 5 == 0 or sale.plant is Plant.LYING_METER)
        for n in range(sale.hours)
    )


def _idle(sites: list[Site], start: datetime, luck: random.Random) -> None:
    IdleCardHour.objects.bulk_create(
        IdleCardHour(
            site=site,
            slot=start + n * HOUR,
            card=f"n1/{card}",
            meters={"utilisation.mean": int(luck.expovariate(1 / 50)), "power.mean": 90},
        )
        for site in sites
        for n in range(24)
        for card in range(4)
    )
