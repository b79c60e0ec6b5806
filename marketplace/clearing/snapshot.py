"""From the database to the engine's snapshot: one consistent reading, in integers.

Rounding, where a decimal becomes an integer, never hurts the party it belongs to: an ask is rounded
up, a limit down, a floor of a buyer up, a ceiling of a buyer down. Figures with six places are exact.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import structlog
from django.db.models import Prefetch, QuerySet

from marketplace.catalogue.models import AcceleratorModel, ProfileVersion, Region
from marketplace.catalogue.selectors import (
    FactMissing,
    carbon_price,
    fx_table,
    models_with_profiles,
    round_trips,
)
from marketplace.clock import HOUR, hours_between
from marketplace.demand.commitments import open_with_owners, with_matched, with_spent
from marketplace.demand.models import Alternative, Budget, Choice, ComputeRequest, OwnerCap
from marketplace.demand.rules import AlternativeInput
from marketplace.engine import snapshot as engine
from marketplace.engine.validation import SNAPSHOT_FORMAT
from marketplace.supply.models import Offer, OfferHour, Site
from marketplace.supply.selectors import Facts, watts_sold

log = structlog.get_logger(__name__)

MEBIBYTES_A_GIGABYTE = 1024
KILOGRAMS_A_TONNE = 1000
WATTS_A_KILOWATT = 1000


def micro(value: Decimal, rounding: str) -> int:
    """A decimal in micro-units."""
    return int((value * engine.MICRO).to_integral_value(rounding))


def build(
    *,
    horizon_start: datetime,
    slots: int,
    base_currency: str,
    profiles: ProfileVersion,
    now: datetime,
    requests: Iterable[ComputeRequest] | None = None,
) -> engine.Snapshot:
    """The market as the database shows it now, with all open requests or with those given.

    Call it inside one repeatable-read transaction where it is going to be cleared.
    """
    window = Window(horizon_start, slots)
    table = fx_table(at=now)
    found = _convertible(open_requests() if requests is None else requests, table)
    wanted = [(row, built) for row in found if (built := _request(row, window)) is not None]
    rows = [row for row, _ in wanted]
    offers = _known(open_offers(window.start, window.end), Facts.at(now))
    sites = list({offer.fleet.site_id: offer.fleet.site for offer in offers}.values())
    return engine.Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start=horizon_start.isoformat(),
        slots=slots,
        base_currency=base_currency,
        currencies=_currencies(table, base_currency),
        models=tuple(
            _model(model) for model in models_with_profiles(profiles) if model.memory_gb is not None
        ),
        sites=_sites(sites, window),
        offers=_offers(offers, window),
        requests=tuple(built for _, built in wanted),
        budgets=_budgets(rows),
        choices=_choices(rows),
        owner_caps=_owner_caps(rows, sites, now),
        carbon_price=micro(carbon_price(base_currency, at=now) / KILOGRAMS_A_TONNE, ROUND_CEILING),
    )


class Window:
    """The horizon: slot numbers of moments."""

    def __init__(self, start: datetime, slots: int) -> None:
        self.start, self.slots, self.end = start, slots, start + slots * HOUR

    def slot_from(self, moment: datetime) -> int:
        """The first slot that begins at or after a moment, at least 0."""
        return max(0, -((self.start - moment) // HOUR))

    def slot_until(self, moment: datetime) -> int:
        """The slot before which everything has ended by a moment, at most the horizon's length."""
        return min(self.slots, (moment - self.start) // HOUR)


def open_offers(start: datetime, end: datetime) -> QuerySet[Offer]:
    return (
        Offer.objects.filter(state=Offer.State.OPEN, starts_at__lt=end, ends_at__gt=start)
        .select_related("fleet__site__region__zone", "fleet__model", "fleet__stack")
        .prefetch_related(Prefetch("hours", queryset=OfferHour.objects.filter(slot__gte=start, slot__lt=end)))
        .order_by("pk")
    )


def open_requests() -> QuerySet[ComputeRequest]:
    alternatives = Alternative.objects.select_related("near").prefetch_related("accelerator_models", "stacks")
    return (
        ComputeRequest.objects.filter(state=ComputeRequest.State.OPEN)
        .prefetch_related(Prefetch("alternatives", queryset=alternatives))
        .order_by("pk")
    )


def _convertible(rows: Iterable[ComputeRequest], table: Mapping[str, Decimal]) -> list[ComputeRequest]:
    """Those in a currency with an exchange rate. The others wait for one: no order stops the whole market."""
    found = list(rows)
    waiting = [row.currency for row in found if row.currency not in table]
    if waiting:
        log.error("exchange_rate_missing", currencies=sorted(set(waiting)), orders=len(waiting))
    return [row for row in found if row.currency in table]


def _known(rows: Iterable[Offer], facts: Facts) -> list[Offer]:
    """Those of which all facts are known. The others wait for theirs, which the owner's page names."""
    found = [(row, facts.missing_for(row)) for row in rows]
    waiting = Counter(missing for _, missing in found if missing)
    if waiting:
        log.error("offers_wait_for_facts", **waiting)
    return [row for row, missing in found if not missing]


def _currencies(table: Mapping[str, Decimal], base: str) -> tuple[engine.Currency, ...]:
    if base not in table:
        raise FactMissing(f"No exchange rate of the base currency {base}. Enter it in the admin.")
    return tuple(
        engine.Currency(code, micro(yuan / table[base], ROUND_FLOOR)) for code, yuan in sorted(table.items())
    )


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


def _sites(sites: Sequence[Site], window: Window) -> tuple[engine.Site, ...]:
    by_region: dict[int, list[engine.RoundTrip]] = defaultdict(list)
    slugs = dict(Region.objects.values_list("pk", "slug"))
    for (region, place), microseconds in round_trips().items():
        by_region[region].append(engine.RoundTrip(slugs[place], microseconds))
    power = _power_left(sites, window)
    return tuple(_site(site, tuple(by_region[site.region_id]), power.get(site.pk, ())) for site in sites)


def _power_left(sites: Iterable[Site], window: Window) -> Mapping[int, tuple[int, ...]]:
    """What the cards sold at each site with a cap may still draw in each slot, W."""
    caps = {site.pk: site.power_cap_kw for site in sites if site.power_cap_kw is not None}
    drawn = watts_sold(caps, window.start, window.end)
    slots = [window.start + slot * HOUR for slot in range(window.slots)]
    return {
        site: tuple(max(0, int(cap * WATTS_A_KILOWATT) - drawn.get((site, slot), 0)) for slot in slots)
        for site, cap in caps.items()
    }


def _site(site: Site, trips: tuple[engine.RoundTrip, ...], power_cap: tuple[int, ...]) -> engine.Site:
    """Carbon is that of the grid for the share that is not renewable."""
    carbon = site.region.grid_carbon * (1 - site.renewable_share)
    return engine.Site(
        id=site.pk,
        owner=site.owner_id,
        zone=site.region.zone.slug,
        jurisdiction=site.region.jurisdiction,
        currency=site.region.zone.currency,
        round_trips=trips,
        bandwidth=site.bandwidth_mbps,
        renewable_share=micro(site.renewable_share, ROUND_FLOOR),
        carbon=int((carbon * 1000).to_integral_value(ROUND_CEILING)),
        verification=site.verification,
        power_cap=power_cap,
    )


def _offers(offers: Iterable[Offer], window: Window) -> tuple[engine.Offer, ...]:
    built = (_offer(offer, window) for offer in offers)
    return tuple(offer for offer in built if offer.free)


def _offer(offer: Offer, window: Window) -> engine.Offer:
    first, end = window.slot_from(offer.starts_at), window.slot_until(offer.ends_at)
    sold = {window.slot_from(hour.slot): hour.cards_sold for hour in offer.hours.all()}
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
        entered=_entered(offer.entered_at),
    )


def _asks(offer: Offer, start: datetime, end: datetime) -> Iterable[int]:
    if end <= start:
        return ()
    if len(offer.asks) == 1:
        return [micro(offer.asks[0], ROUND_CEILING)] * hours_between(start, end)
    first, last = hours_between(offer.starts_at, start), hours_between(offer.starts_at, end)
    return [micro(ask, ROUND_CEILING) for ask in offer.asks[first:last]]


def _entered(moment: datetime) -> int:
    """Time of entry in microseconds since the epoch."""
    return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // timedelta(microseconds=1)


def _request(request: ComputeRequest, window: Window) -> engine.Request | None:
    """A request without an alternative that fits into the horizon is not part of the market yet."""
    fitting = [
        built
        for alternative in request.alternatives.all()
        if (built := _alternative(alternative, window)) is not None
    ]
    if not fitting:
        return None
    return engine.Request(
        id=request.pk,
        buyer=request.organisation_id,
        currency=request.currency,
        least=micro(request.least_share, ROUND_CEILING),
        entered=_entered(request.entered_at),
        alternatives=tuple(fitting),
    )


def _alternative(row: Alternative, window: Window) -> engine.Alternative | None:
    return alternative_of(
        row,
        window,
        position=row.position,
        models=[model.slug for model in row.accelerator_models.all()],
        stacks=[stack.slug for stack in row.stacks.all()],
        near=row.near.slug if row.near else "",
    )


def alternative_of(
    row: Alternative | AlternativeInput,
    window: Window,
    *,
    position: int,
    models: Iterable[str],
    stacks: Iterable[str],
    near: str,
) -> engine.Alternative | None:
    """An alternative in the engine's units, or ``None`` where it does not fit into the horizon.

    Divisible work needs no more than an hour of it: what is missing in hours, more cards make up.
    """
    earliest, deadline = window.slot_from(row.earliest_start), window.slot_until(row.deadline)
    if deadline - earliest < (1 if row.divisible else row.hours):
        return None
    unit = engine.Unit(row.unit)
    return engine.Alternative(
        position=position,
        unit=unit,
        amount=int(row.amount) if unit is engine.Unit.CARDS else micro(row.amount, ROUND_CEILING),
        limit=micro(unit_limit(row), ROUND_FLOOR),
        workload=engine.Workload(row.workload),
        models=tuple(sorted(models)),
        careful=row.careful,
        gangs=row.gangs,
        divisible=row.divisible,
        interruptible=row.interruptible,
        precision=engine.Precision(row.precision) if row.precision else None,
        memory=_optional(row.memory_gb, MEBIBYTES_A_GIGABYTE, ROUND_CEILING),
        earliest=earliest,
        duration=row.hours,
        deadline=deadline,
        latency=_latency(near, row.round_trip_ms),
        bandwidth=row.bandwidth_mbps,
        jurisdictions=tuple(sorted(row.jurisdictions)),
        stacks=tuple(sorted(stacks)),
        renewable_share=_optional(row.renewable_share, engine.MICRO, ROUND_CEILING),
        carbon=_optional(row.carbon, 1000, ROUND_FLOOR),
        verification=row.verification,
        notice=row.notice_minutes,
    )


def _budgets(rows: Iterable[ComputeRequest]) -> tuple[engine.Budget, ...]:
    """What is left of each budget, for those of its requests that are in this market."""
    members = _members((row.shared_budget_id, row.pk) for row in rows)
    budgets = with_spent(Budget.objects.filter(pk__in=members)).order_by("pk")
    return tuple(_budget(row, members[row.pk]) for row in budgets)


def _budget(row: Budget, requests: tuple[int, ...]) -> engine.Budget:
    left: Decimal = row.left  # type: ignore[attr-defined]
    return engine.Budget(row.pk, requests, row.currency, micro(left, ROUND_FLOOR))


def _choices(rows: Iterable[ComputeRequest]) -> tuple[engine.Choice, ...]:
    """How many more of each choice may be matched, for those of its requests that are in this market."""
    members = _members((row.choice_id, row.pk) for row in rows)
    choices = with_matched(Choice.objects.filter(pk__in=members)).order_by("pk")
    return tuple(_choice(row, members[row.pk]) for row in choices)


def _choice(row: Choice, requests: tuple[int, ...]) -> engine.Choice:
    left: int = row.left  # type: ignore[attr-defined]
    return engine.Choice(row.pk, requests, left)


def _members(pairs: Iterable[tuple[int | None, int]]) -> Mapping[int, tuple[int, ...]]:
    """Requests by the group that they are under."""
    members: dict[int, list[int]] = defaultdict(list)
    for group, request in pairs:
        if group is not None:
            members[group].append(request)
    return {group: tuple(sorted(requests)) for group, requests in members.items()}


def _owner_caps(
    rows: Iterable[ComputeRequest], sites: Iterable[Site], now: datetime
) -> tuple[engine.OwnerCap, ...]:
    """What each buyer with a cap may still take from each owner of this market."""
    buyers = {row.organisation_id for row in rows}
    caps = OwnerCap.objects.filter(organisation__in=buyers).order_by("pk")
    most = dict(caps.values_list("organisation", "card_hours"))
    taken = open_with_owners(most, now=now)
    owners = sorted({site.owner_id for site in sites})
    return tuple(
        engine.OwnerCap(buyer, owner, max(0, cap - taken.get((buyer, owner), 0)))
        for buyer, cap in most.items()
        for owner in owners
    )


def unit_limit(row: Alternative | AlternativeInput) -> Decimal:
    """The limit per unit and hour; a budget is spread over the whole amount and duration."""
    if row.limit is not None:
        return row.limit
    if row.budget is None:
        raise FactMissing(f"Alternative {row} has neither a limit nor a budget.")
    return row.budget / (row.amount * row.hours)


def _latency(near: str, round_trip_ms: Decimal | None) -> engine.LatencyLimit | None:
    if not near or round_trip_ms is None:
        return None
    return engine.LatencyLimit(near, int(round_trip_ms * 1000))


def _optional(value: Decimal | None, scale: int, rounding: str) -> int | None:
    return None if value is None else int((value * scale).to_integral_value(rounding))
