"""Writes the demo market of ``demo.market`` to the database, once and in one transaction.

The triggers and constraints of the database check every row on its way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.actors import Actor
from accounts.models import Organisation
from billing.invoicing.reference import load_reference
from demo.market import Market, build_market
from demo.specs import AlternativeSpec, OfferSpec, OrganisationSpec, RequestSpec
from marketplace.audit.compliance.services import load_examples
from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack
from marketplace.catalogue.services import load_assumed_fx, load_catalogue
from marketplace.clock import HOUR, floor_hour, next_hour
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.supply.models import Fleet, Offer, Site

# Cards stood in their racks before the exchange opened.
INSTALLED_BEFORE = timedelta(days=90)


def is_loaded() -> bool:
    return Organisation.objects.exists()


@transaction.atomic
def load_market(*, actor: Actor, now: datetime) -> Market:
    """The whole demo market, and the requests of its first hour. Call it on an empty database."""
    load_catalogue(actor=actor, now=now)
    load_assumed_fx(actor=actor, now=floor_hour(now))
    load_reference(actor=actor, now=now)
    load_examples(actor=actor, now=now)
    market = build_market(floor_hour(now))
    organisations = _load_organisations([*market.owners, *market.buyers])
    fleets = _load_supply(market, organisations, now=now)
    _load_offers(market, fleets, now=now)
    load_requests(market.requests_entering(0), organisations, now=now)
    for organisation in organisations.values():
        audit.record(
            actor=actor, action="demo.loaded", target=organisation, now=now, organisation=organisation
        )
    return market


def _load_organisations(specs: list[OrganisationSpec]) -> dict[str, Organisation]:
    rows = Organisation.objects.bulk_create(
        Organisation(
            kind=spec.kind,
            name_en=spec.name_en,
            name_zh=spec.name_zh,
            jurisdiction=spec.jurisdiction,
            time_zone=spec.time_zone,
        )
        for spec in specs
    )
    return {spec.slug: row for spec, row in zip(specs, rows, strict=True)}


def _load_supply(
    market: Market, organisations: Mapping[str, Organisation], *, now: datetime
) -> dict[str, Fleet]:
    regions = dict(Region.objects.values_list("slug", "pk"))
    sites = Site.objects.bulk_create(
        Site(
            owner=organisations[spec.owner],
            region_id=regions[spec.region],
            name_en=spec.name_en,
            name_zh=spec.name_zh,
            pue=spec.pue,
            renewable_share=spec.renewable_share,
            verification=spec.verification,
            bandwidth_mbps=spec.bandwidth_mbps,
        )
        for spec in market.sites
    )
    by_slug = {spec.slug: site for spec, site in zip(market.sites, sites, strict=True)}
    models = dict(AcceleratorModel.objects.values_list("slug", "pk"))
    stacks = dict(SoftwareStack.objects.values_list("slug", "pk"))
    fleets = Fleet.objects.bulk_create(
        Fleet(
            site=by_slug[spec.site],
            model_id=models[spec.model],
            stack_id=stacks[spec.stack],
            cards=spec.cards,
            node_size=spec.node_size,
            interconnect=spec.interconnect,
            installed_at=floor_hour(now) - INSTALLED_BEFORE,
        )
        for spec in market.fleets
    )
    return {spec.slug: fleet for spec, fleet in zip(market.fleets, fleets, strict=True)}


def _load_offers(market: Market, fleets: Mapping[str, Fleet], *, now: datetime) -> None:
    Offer.objects.bulk_create(_offer(spec, fleets[spec.fleet], market.start, now) for spec in market.offers)


def _offer(spec: OfferSpec, fleet: Fleet, start: datetime, now: datetime) -> Offer:
    starts_at, ends_at = spec.window(start)
    return Offer(
        fleet=fleet,
        cards=spec.cards,
        starts_at=starts_at,
        ends_at=ends_at,
        asks=list(spec.hourly_asks) or [spec.ask],
        currency=spec.currency,
        lot=spec.lot,
        minimum_hours=spec.minimum_hours,
        notice_minutes=spec.notice_minutes,
        entered_at=now,
    )


def load_requests(
    specs: tuple[RequestSpec, ...], organisations: Mapping[str, Organisation], *, now: datetime
) -> None:
    requests = ComputeRequest.objects.bulk_create(
        ComputeRequest(
            organisation=organisations[spec.buyer],
            title=spec.title,
            currency=spec.currency,
            least_share=spec.least,
            entered_at=now,
        )
        for spec in specs
    )
    pairs = [
        (request, position, alternative)
        for request, spec in zip(requests, specs, strict=True)
        for position, alternative in enumerate(spec.alternatives)
    ]
    regions = dict(Region.objects.values_list("slug", "pk"))
    rows = Alternative.objects.bulk_create(_alternative(*pair, regions=regions, now=now) for pair in pairs)
    _load_choices(list(zip(rows, [alternative for *_, alternative in pairs], strict=True)))


def _alternative(
    request: ComputeRequest,
    position: int,
    spec: AlternativeSpec,
    *,
    regions: Mapping[str, int],
    now: datetime,
) -> Alternative:
    first = next_hour(now)
    return Alternative(
        request=request,
        position=position,
        unit=spec.unit,
        amount=spec.amount,
        limit=spec.limit,
        workload=spec.workload,
        careful=spec.careful,
        gangs=1 if spec.gang else 0,
        precision=spec.precision or "",
        memory_gb=spec.memory_gb,
        earliest_start=first + spec.earliest_in_hours * HOUR,
        hours=spec.duration_hours,
        deadline=first + spec.deadline_in_hours * HOUR,
        near_id=regions[spec.latency.region] if spec.latency else None,
        round_trip_ms=Decimal(spec.latency.milliseconds) if spec.latency else None,
        bandwidth_mbps=spec.bandwidth_mbps,
        jurisdictions=list(spec.jurisdictions),
        renewable_share=spec.renewable_share,
        carbon=spec.carbon,
        verification=spec.verification,
        notice_minutes=spec.notice_minutes,
    )


def _load_choices(pairs: list[tuple[Alternative, AlternativeSpec]]) -> None:
    models = dict(AcceleratorModel.objects.values_list("slug", "pk"))
    stacks = dict(SoftwareStack.objects.values_list("slug", "pk"))
    accelerators, softwares = Alternative.accelerator_models.through, Alternative.stacks.through
    accelerators.objects.bulk_create(
        accelerators(alternative_id=row.pk, acceleratormodel_id=models[slug])
        for row, spec in pairs
        for slug in spec.models
    )
    softwares.objects.bulk_create(
        softwares(alternative_id=row.pk, softwarestack_id=stacks[slug])
        for row, spec in pairs
        for slug in spec.stacks
    )
