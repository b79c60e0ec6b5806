"""What is for sale: models, sites and offers, less what was sold before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR

import structlog

from marketplace.catalogue.models import AcceleratorModel, ProfileVersion, Region
from marketplace.catalogue.selectors import FactMissing, models_with_profiles, round_trips
from marketplace.clearing.snapshot.units import MEBIBYTES_A_GIGABYTE, Window, entered, micro
from marketplace.clock import HOUR, hours_between
from marketplace.energy.selectors import Power, declared, told_hours
from marketplace.engine import snapshot as engine
from marketplace.supply.models import Offer, OfferHour, Site
from marketplace.supply.selectors import Facts, measured_round_trips, watts_sold

log = structlog.get_logger(__name__)

WATTS_A_KILOWATT = 1000


def models_of(profiles: ProfileVersion) -> tuple[engine.Model, ...]:
    known = models_with_profiles(profiles).filter(memory_gb__isnull=False)
    return tuple(_model(model) for model in known)


def _model(model: AcceleratorModel) -> engine.Model:
    if model.memory_gb is None:
        raise FactMissing(f"{model} has no known memory size; it cannot be traded.")
    return engine.Model(
        slug=model.slug,
        memory=int(model.memory_gb * MEBIBYTES_A_GIGABYTE),
        power=model.tdp_w,
        precisions=tuple(engine.Precision(name) for name in sorted(model.peak_tflops)),
        rates=tuple(
            engine.Rate(
                engine.Workload(profile.workload),
                point=micro(profile.rate, ROUND_FLOOR),
                lower=micro(profile.lower, ROUND_FLOOR),
            )
            for profile in model.current_profiles  # type: ignore[attr-defined]
        ),
    )


def open_offers(window: Window, now: datetime, term: int | None) -> list[Offer]:
    """Those with hours in the window of which all facts are known: for all, or reserved for one agreement."""
    found = (
        Offer.objects.filter(state=Offer.State.OPEN, reserved_for=term)
        .filter(starts_at__lt=window.end, ends_at__gt=window.start)
        .select_related("fleet__site__region__zone", "fleet__model", "fleet__stack")
        .order_by("pk")
    )
    return _known(found, Facts.at(now))


def _known(rows: Iterable[Offer], facts: Facts) -> list[Offer]:
    """Those of which all facts are known. The others wait for theirs, which the owner's page names."""
    found = [(row, facts.missing_for(row)) for row in rows]
    waiting = Counter(missing for _, missing in found if missing)
    if waiting:
        log.error("offers_wait_for_facts", **waiting)
    return [row for row, missing in found if not missing]


def sites_of(sites: Sequence[Site], window: Window, now: datetime) -> tuple[engine.Site, ...]:
    """A round trip that was measured, and is fresh, counts instead of the estimate from the distance."""
    by_region: dict[int, dict[str, int]] = defaultdict(dict)
    slugs = dict(Region.objects.values_list("pk", "slug"))
    for (region, place), microseconds in round_trips().items():
        by_region[region][slugs[place]] = microseconds
    measured: dict[int, dict[str, int]] = defaultdict(dict)
    for (site, place), microseconds in measured_round_trips(now).items():
        measured[site][slugs[place]] = microseconds
    power = _power_left(sites, window)
    return tuple(
        _site(site, by_region[site.region_id] | measured[site.pk], power.get(site.pk, ()), window.start)
        for site in sites
    )


def _power_left(sites: Iterable[Site], window: Window) -> Mapping[int, tuple[int, ...]]:
    """What the cards sold at each site with a cap may still draw in each slot, W."""
    caps = {site.pk: site.power_cap_kw for site in sites if site.power_cap_kw is not None}
    drawn = watts_sold(caps, window.start, window.end)
    slots = [window.start + slot * HOUR for slot in range(window.slots)]
    return {
        site: tuple(max(0, int(cap * WATTS_A_KILOWATT) - drawn.get((site, slot), 0)) for slot in slots)
        for site, cap in caps.items()
    }


def _site(site: Site, trips: Mapping[str, int], power_cap: tuple[int, ...], start: datetime) -> engine.Site:
    """Its power is as declared for the year: ``site_hours_of`` has the hours that somebody told."""
    power = declared(site, start)
    return engine.Site(
        id=site.pk,
        owner=site.owner_id,
        zone=site.region.zone.slug,
        jurisdiction=site.region.jurisdiction,
        currency=site.region.zone.currency,
        round_trips=tuple(engine.RoundTrip(place, trip) for place, trip in trips.items()),
        bandwidth=site.bandwidth_mbps,
        renewable_share=_share(power),
        carbon=_carbon(power),
        verification=site.verification,
        power_cap=power_cap,
    )


def site_hours_of(sites: Iterable[Site], window: Window) -> tuple[engine.SiteHours, ...]:
    """The power of sites of which somebody told an hour of the window; the other hours are as declared."""
    own = list(sites)
    told = told_hours([site.pk for site in own], window.start, window.end)
    found = (_site_hours(site, told[site.pk], window) for site in own if site.pk in told)
    return tuple(each for each in found if each.renewable_share or each.carbon)


def _site_hours(site: Site, told: Mapping[datetime, Power], window: Window) -> engine.SiteHours:
    """Columns that say no more than the declaration for the year are left out."""
    year = declared(site, window.start)
    hours = [told.get(window.start + slot * HOUR, year) for slot in range(window.slots)]
    shares, carbons = tuple(map(_share, hours)), tuple(map(_carbon, hours))
    return engine.SiteHours(
        site=site.pk,
        renewable_share=shares if set(shares) != {_share(year)} else (),
        carbon=carbons if set(carbons) != {_carbon(year)} else (),
    )


def _share(power: Power) -> int:
    return micro(power.renewable_share, ROUND_FLOOR)


def _carbon(power: Power) -> int:
    """As the site is supplied, mg/kWh."""
    return int((power.supplied * 1000).to_integral_value(ROUND_CEILING))


def offers_of(rows: Iterable[Offer], window: Window) -> tuple[engine.Offer, ...]:
    sold = _sold(window)
    built = (_offer(offer, sold.get(offer.pk, {}), window) for offer in rows)
    return tuple(offer for offer in built if offer.free)


def _sold(window: Window) -> Mapping[int, Mapping[int, int]]:
    """Cards by offer and slot, read as plain figures: in a national market they are hundreds of thousands."""
    hours = OfferHour.objects.filter(slot__gte=window.start, slot__lt=window.end, cards_sold__gt=0)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for offer, slot, cards in hours.values_list("offer_id", "slot", "cards_sold").iterator():
        found[offer][window.slot_from(slot)] = cards
    return found


def _offer(offer: Offer, sold: Mapping[int, int], window: Window) -> engine.Offer:
    """``sold`` are cards by slot."""
    first, end = window.slot_from(offer.starts_at), window.slot_until(offer.ends_at)
    return engine.Offer(
        id=offer.pk,
        site=offer.fleet.site_id,
        fabric=offer.fleet_id,
        model=offer.fleet.model.slug,
        stack=offer.fleet.stack.slug,
        first_slot=first,
        free=tuple(offer.cards - sold.get(slot, 0) for slot in range(first, end)),
        asks=tuple(_asks(offer, window.start + first * HOUR, window.start + end * HOUR)),
        lot=offer.lot,
        minimum_duration=offer.minimum_hours,
        notice=offer.notice_minutes,
        entered=entered(offer.entered_at),
    )


def _asks(offer: Offer, start: datetime, end: datetime) -> Iterable[int]:
    if end <= start:
        return ()
    if len(offer.asks) == 1:
        return [micro(offer.asks[0], ROUND_CEILING)] * hours_between(start, end)
    first, last = hours_between(offer.starts_at, start), hours_between(offer.starts_at, end)
    return [micro(ask, ROUND_CEILING) for ask in offer.asks[first:last]]
