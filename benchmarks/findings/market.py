"""The demo market without its processes: cleared, delivered and metered in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from accounts.actors import task_actor
from accounts.models import Organisation
from billing.metering.models import Meter, MeteredHour
from demo.affiliates import load_affiliates
from demo.duty_cycle import busy_seconds
from demo.load import load_market, load_requests
from demo.people import create_people
from demo.plants import Plant, Told, planted, shown, told
from marketplace.agreements.models import Agreement
from marketplace.agreements.services import run_market
from marketplace.audit.findings.cases import Window
from marketplace.audit.findings.detecting import detect
from marketplace.audit.findings.models import Finding, OwnershipLink
from marketplace.clock import MarketClock
from marketplace.delivery.models import Delivery, DeliveryTransition
from marketplace.supply.models import Site

HOUR = timedelta(hours=1)
ACTOR = task_actor("benchmarks.findings")
IDLE, BUSY = 25, 75
"""What a card draws of its design power, in percent: always, and by its work."""


def fill(start: datetime, *, hours: int) -> None:
    market = load_market(actor=ACTOR, now=start)
    create_people()
    load_affiliates(now=start)
    names = {row.name_en: row for row in Organisation.objects.all()}
    organisations = {spec.slug: names[spec.name_en] for spec in (*market.owners, *market.buyers)}
    for hour in range(hours):
        now = start + hour * HOUR
        if hour:
            load_requests(market.requests_entering(hour), organisations, now=now)
        run_market(clock=MarketClock(datetime.now(UTC), now, 1), actor=ACTOR)
    deliver(start + hours * HOUR)


def deliver(until: datetime) -> None:
    """What was sold and began, as the sites would have delivered it."""
    plants = plants_of_sites()
    sold = Agreement.objects.filter(allocation__isnull=False, starts_at__lt=until).select_related(
        "allocation__offer__fleet__model", "allocation__offer__fleet__site"
    )
    deliveries = Delivery.objects.bulk_create(_delivery(each, plants, until) for each in sold)
    DeliveryTransition.objects.bulk_create(
        DeliveryTransition(
            delivery=each, from_state="accepting", to_state="failed", at=each.starts_at, report={}
        )
        for each in deliveries
        if each.state == "failed"
    )
    MeteredHour.objects.bulk_create(_hours(deliveries, plants, until), batch_size=5_000)


def plants_of_sites() -> Mapping[int, Plant]:
    return planted(Site.objects.values_list("pk", flat=True))


def _delivery(agreement: Agreement, plants: Mapping[int, Plant], until: datetime) -> Delivery:
    site = agreement.allocation.offer.fleet.site_id
    facts = {
        "agreement": agreement,
        "site_id": site,
        "starts_at": agreement.starts_at,
        "ends_at": agreement.ends_at,
    }
    if shown(plants.get(site), agreement.cards) < agreement.cards:
        return Delivery(**facts, state="failed", fault="owner", failure="Fewer cards than sold.")
    begun = {"active_from": agreement.starts_at, "acceptance": {"passed": True}}
    if agreement.ends_at > until:
        return Delivery(**facts, **begun, state="active")
    return Delivery(**facts, **begun, state="ended", active_until=agreement.ends_at)


def _hours(
    deliveries: Iterable[Delivery], plants: Mapping[int, Plant], until: datetime
) -> Iterator[MeteredHour]:
    for each in deliveries:
        if each.state == "failed":
            continue
        slot = each.starts_at
        while slot < min(each.ends_at, until):
            said = _told(each, slot, plants.get(each.site_id))
            quantities = {
                Meter.ALLOCATED: said.allocated,
                Meter.ACTIVE: said.active,
                Meter.ENERGY: said.energy,
            }
            for meter, quantity in quantities.items():
                if quantity is not None:
                    yield MeteredHour(
                        delivery=each, slot=slot, meter=meter, quantity=quantity, weight=1, readings=1
                    )
            slot += HOUR


def _told(delivery: Delivery, slot: datetime, plant: Plant | None) -> Told:
    cards, tdp = delivery.agreement.cards, delivery.agreement.allocation.offer.fleet.model.tdp_w
    allocated = cards * 3600
    active = sum(busy_seconds(f"{delivery.pk}/{card}", slot, slot + HOUR) for card in range(cards))
    energy = None if tdp is None else tdp * (IDLE * allocated + BUSY * active) // 360_000
    return told(plant, f"{delivery.pk}/{slot}", Told(allocated, active, energy), tdp_w=tdp)


def found(start: datetime, end: datetime) -> Counter[tuple[str, str]]:
    """Findings by detector, of cheats and of honest parties."""
    detect(Window(start - HOUR, end), actor=ACTOR, now=end)
    plants = plants_of_sites()
    sites, owners = set(plants), set(Site.objects.filter(pk__in=plants).values_list("owner", flat=True))
    affiliates = {
        party for link in OwnershipLink.objects.all() for party in (link.controller_id, link.controlled_id)
    }
    counts: Counter[tuple[str, str]] = Counter()
    for finding in Finding.objects.prefetch_related("subjects"):
        cheats = any(
            one.site_id in sites if one.site_id else one.organisation_id in owners | affiliates
            for one in finding.subjects.all()
        )
        counts[finding.detector, "cheats" if cheats else "honest"] += 1
    return counts
