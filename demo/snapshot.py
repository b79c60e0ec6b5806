"""The demo market as a snapshot for the engine, without a database: for benchmarks and tests.

Nothing is sold yet. The market run of the exchange makes its own snapshots; this one shows the same
facts. Carbon is the grid's average at the site's region.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from demo.market import Market
from demo.specs import AlternativeSpec, OfferSpec, RequestSpec, SiteSpec
from marketplace.catalogue.data.tables import (
    Accelerator,
    Region,
    load_accelerators,
    load_fx,
    load_inference,
    load_regions,
    load_training,
)
from marketplace.catalogue.latency import RegionPoint, round_trip_us
from marketplace.catalogue.normalisation import Profile, profiles_for
from marketplace.engine import SNAPSHOT_FORMAT
from marketplace.engine.snapshot import (
    MICRO,
    Alternative,
    Currency,
    LatencyLimit,
    Model,
    Offer,
    Rate,
    Request,
    RoundTrip,
    Site,
    Snapshot,
    Unit,
)

SLOTS = 168
MIB_PER_GB = 1024
BASE_CURRENCY = "CNY"


def snapshot_of(market: Market, requests: Iterable[RequestSpec]) -> Snapshot:
    """The horizon of 168 hours from the market's start, with the given requests all entered."""
    regions = {region.slug: region for region in load_regions()}
    sites = {site.slug: number for number, site in enumerate(market.sites, start=1)}
    owners = {owner.slug: number for number, owner in enumerate(market.owners, start=1)}
    buyers = {buyer.slug: number for number, buyer in enumerate(market.buyers, start=1)}
    return Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start=f"{market.start:%Y-%m-%dT%H:%M:%SZ}",
        slots=SLOTS,
        base_currency=BASE_CURRENCY,
        currencies=tuple(Currency(fx.currency, _micro(fx.cny_per_unit)) for fx in load_fx()),
        models=tuple(_models({fleet.model for fleet in market.fleets})),
        sites=tuple(_site(site, sites[site.slug], owners[site.owner], regions) for site in market.sites),
        offers=tuple(_offers(market, sites)),
        requests=tuple(_request(spec, n, buyers[spec.buyer]) for n, spec in enumerate(requests, start=1)),
    )


def _models(traded: set[str]) -> Iterator[Model]:
    accelerators = load_accelerators()
    profiles = profiles_for(accelerators, load_training(), load_inference())
    for accelerator in accelerators:
        if accelerator.slug in traded:
            own = [profile for profile in profiles if profile.model_slug == accelerator.slug]
            yield _model(accelerator, own)


def _model(accelerator: Accelerator, profiles: Iterable[Profile]) -> Model:
    if accelerator.memory_gb is None:
        raise LookupError(f"{accelerator.slug}: its memory is not known")
    return Model(
        slug=accelerator.slug,
        memory=int(accelerator.memory_gb * MIB_PER_GB),
        power=accelerator.tdp_w,
        precisions=tuple(precision for precision, _ in accelerator.peaks),
        rates=tuple(Rate(p.workload, _micro(p.rate), _micro(p.lower)) for p in profiles),
    )


def _site(site: SiteSpec, number: int, owner: int, regions: Mapping[str, Region]) -> Site:
    here = point(regions[site.region])
    return Site(
        id=number,
        owner=owner,
        zone=site.zone,
        jurisdiction=site.jurisdiction,
        currency=site.currency,
        round_trips=tuple(RoundTrip(slug, round_trip_us(here, point(to))) for slug, to in regions.items()),
        bandwidth=site.bandwidth_mbps,
        renewable_share=_micro(site.renewable_share),
        carbon=int(regions[site.region].grid_gco2_per_kwh * 1000),
        verification=site.verification,
        power_cap=(),
    )


def point(region: Region) -> RegionPoint:
    return RegionPoint(region.slug, region.country, region.latitude, region.longitude)


def _offers(market: Market, sites: Mapping[str, int]) -> Iterator[Offer]:
    fleets = {fleet.slug: (number, fleet) for number, fleet in enumerate(market.fleets, start=1)}
    for number, spec in enumerate(market.offers, start=1):
        fabric, fleet = fleets[spec.fleet]
        hours = min(spec.hours, SLOTS - spec.first_hour)
        yield Offer(
            id=number,
            site=sites[fleet.site],
            fabric=fabric,
            model=fleet.model,
            stack=fleet.stack,
            first_slot=spec.first_hour,
            free=(spec.cards,) * hours,
            asks=_asks(spec, hours),
            lot=spec.lot,
            minimum_duration=spec.minimum_hours,
            notice=spec.notice_minutes,
            entered=number,
        )


def _asks(spec: OfferSpec, hours: int) -> tuple[int, ...]:
    return tuple(_micro(ask) for ask in (spec.hourly_asks or (spec.ask,) * spec.hours)[:hours])


def _request(spec: RequestSpec, number: int, buyer: int) -> Request:
    return Request(
        id=number,
        buyer=buyer,
        currency=spec.currency,
        least=_micro(spec.least),
        entered=number,
        alternatives=tuple(_alternative(one, place) for place, one in enumerate(spec.alternatives)),
    )


def _alternative(spec: AlternativeSpec, position: int) -> Alternative:
    latency = spec.latency
    return Alternative(
        position=position,
        unit=spec.unit,
        amount=_micro(spec.amount) if spec.unit is Unit.NP else int(spec.amount),
        limit=_micro(spec.limit),
        workload=spec.workload,
        models=spec.models,
        careful=spec.careful,
        gangs=1 if spec.gang else 0,
        divisible=False,
        interruptible=False,
        precision=spec.precision,
        memory=None if spec.memory_gb is None else spec.memory_gb * MIB_PER_GB,
        earliest=spec.earliest_in_hours,
        duration=spec.duration_hours,
        deadline=spec.deadline_in_hours,
        latency=None if latency is None else LatencyLimit(latency.region, latency.milliseconds * 1000),
        bandwidth=spec.bandwidth_mbps,
        jurisdictions=spec.jurisdictions,
        stacks=spec.stacks,
        renewable_share=None if spec.renewable_share is None else _micro(spec.renewable_share),
        carbon=None if spec.carbon is None else int(spec.carbon * 1000),
        verification=spec.verification,
        notice=spec.notice_minutes,
    )


def _micro(value: Decimal) -> int:
    """Micro-units. Raises ValueError for what micro-units cannot hold."""
    scaled = value * MICRO
    if scaled != int(scaled):
        raise ValueError(f"{value} has more than six decimals")
    return int(scaled)
