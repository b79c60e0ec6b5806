"""The smallest true objects of the market, written straight to the database.

Times default to the hours after ``tests.conftest.NOW``. Reference facts (zone, region, chip, stack) are
shared between the objects of a test; what is traded is new each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Organisation
from marketplace.catalogue.models import AcceleratorModel, ProfileVersion, Region, SoftwareStack, Zone
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.supply.models import Fleet, Offer, Site

ENTERED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_organisation(kind: str = "owner", name: str = "") -> Organisation:
    number = Organisation.objects.count() + 1
    return Organisation.objects.create(
        kind=kind,
        name_en=name or f"{kind} {number}",
        name_zh=f"{name or kind} {number} 号",
        jurisdiction="CN",
    )


def make_zone(slug: str = "cn-east", currency: str = "CNY") -> Zone:
    facts = {"name_en": slug, "name_zh": slug, "jurisdiction": "CN", "currency": currency}
    return Zone.objects.get_or_create(slug=slug, defaults=facts)[0]


def make_region(slug: str = "cn-wuhu", zone: Zone | None = None, **facts: Any) -> Region:
    defaults = {
        "zone": zone or make_zone(),
        "name_en": slug,
        "name_zh": slug,
        "kind": Region.Kind.HUB,
        "country": "CN",
        "jurisdiction": "CN",
        "latitude": Decimal("31.33"),
        "longitude": Decimal("118.38"),
        "time_zone": "Asia/Shanghai",
        "grid_carbon": Decimal(550),
        "grid_carbon_basis": "national average",
        "grid_carbon_source": "a test",
        "confidence": "high",
    }
    return Region.objects.get_or_create(slug=slug, defaults=defaults | facts)[0]


def make_stack(slug: str = "cuda-12") -> SoftwareStack:
    return SoftwareStack.objects.get_or_create(slug=slug, defaults={"name": slug.upper()})[0]


def make_model(slug: str = "h800", **facts: Any) -> AcceleratorModel:
    defaults = {
        "vendor": "NVIDIA",
        "name": slug.upper(),
        "memory_gb": Decimal(80),
        "memory_bandwidth_gb_s": Decimal(3350),
        "peak_tflops": {"bf16": "989", "fp8": "1979"},
        "tdp_w": 700,
        "stack": make_stack(),
        "source": "a test",
        "confidence": "high",
    }
    return AcceleratorModel.objects.get_or_create(slug=slug, defaults=defaults | facts)[0]


def make_profile_version(number: int = 1) -> ProfileVersion:
    return ProfileVersion.objects.get_or_create(number=number, defaults={"method": "a test"})[0]


def site_of(owner: Organisation) -> Site:
    """Its first site, which is made where it has none."""
    return Site.objects.filter(owner=owner).order_by("pk").first() or make_site(owner)


def make_site(owner: Organisation | None = None, region: Region | None = None, **facts: Any) -> Site:
    number = Site.objects.count() + 1
    return Site.objects.create(
        **{
            "owner": owner or make_organisation("owner"),
            "region": region or make_region(),
            "name_en": f"Site {number}",
            "name_zh": f"{number} 号机房",
            "pue": Decimal("1.2"),
            "renewable_share": Decimal("0.4"),
            "bandwidth_mbps": 10_000,
        }
        | facts
    )


def make_fleet(
    site: Site | None = None, model: AcceleratorModel | None = None, cards: int = 64, **facts: Any
) -> Fleet:
    model = model or make_model()
    return Fleet.objects.create(
        **{
            "site": site or make_site(),
            "model": model,
            "stack": model.stack,
            "cards": cards,
            "node_size": min(8, cards),
            "interconnect": "InfiniBand NDR",
            "installed_at": ENTERED - timedelta(days=100),
        }
        | facts
    )


def make_offer(
    fleet: Fleet | None = None,
    *,
    cards: int = 8,
    ask: str | Decimal | Sequence[str | Decimal] = "10",
    start: datetime = START,
    hours: int = 24,
    **facts: Any,
) -> Offer:
    """``ask`` per card-hour: one figure, or one for each hour."""
    fleet = fleet or make_fleet()
    asks = [ask] if isinstance(ask, (str, Decimal)) else ask
    return Offer.objects.create(
        **{
            "fleet": fleet,
            "cards": cards,
            "starts_at": start,
            "ends_at": start + hours * HOUR,
            "asks": [Decimal(a) for a in asks],
            "currency": fleet.site.region.zone.currency,
            "entered_at": ENTERED,
        }
        | facts
    )


def make_request(
    organisation: Organisation | None = None,
    *,
    cards: int = 8,
    limit: str | Decimal = "12",
    start: datetime = START,
    hours: int = 4,
    deadline: datetime | None = None,
    currency: str = "CNY",
    alternatives: Sequence[dict[str, Any]] = ({},),
    **facts: Any,
) -> ComputeRequest:
    """A request for ``cards`` at no more than ``limit`` per card-hour.

    Each item of ``alternatives`` overrides fields of one ``Alternative``.
    """
    request = ComputeRequest.objects.create(
        **{
            "organisation": organisation or make_organisation("buyer"),
            "title": "A run",
            "currency": currency,
            "entered_at": ENTERED,
        }
        | facts
    )
    usual = {
        "unit": "cards",
        "amount": Decimal(cards),
        "limit": Decimal(limit),
        "workload": "training",
        "earliest_start": start,
        "hours": hours,
        "deadline": deadline or start + 24 * HOUR,
    }
    for position, changes in enumerate(alternatives):
        Alternative.objects.create(request=request, position=position, **(usual | changes))
    return request
