"""Markets to clear: parts with sensible defaults, and large random ones from a seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from marketplace.engine import (
    MICRO,
    SNAPSHOT_FORMAT,
    Alternative,
    Currency,
    LatencyLimit,
    Model,
    Offer,
    Precision,
    Rate,
    Request,
    RoundTrip,
    Site,
    Snapshot,
    Unit,
    Workload,
)

YUAN = Currency("CNY", MICRO)
DOLLAR = Currency("USD", 7_200_000)

ASCEND = Model(
    slug="ascend-910b",
    memory=65_536,
    power=310,
    precisions=(Precision.BF16, Precision.FP16),
    rates=(Rate(Workload.TRAINING, 800_000, 600_000),),
)
HOPPER = Model(
    slug="h800",
    memory=81_920,
    power=700,
    precisions=(Precision.BF16, Precision.FP8),
    rates=(Rate(Workload.TRAINING, 2_000_000, 1_800_000),),
)


def money(units: float) -> int:
    """Whole units of a currency as micro-units."""
    return round(units * MICRO)


def site(identity: int = 1, **facts: Any) -> Site:
    defaults: dict[str, Any] = {
        "owner": 1,
        "zone": "cn-north",
        "jurisdiction": "cn",
        "currency": "CNY",
        "round_trips": (RoundTrip("beijing", 5_000),),
        "bandwidth": 10_000,
        "renewable_share": 500_000,
        "carbon": 400_000,
        "verification": 2,
        "power_cap": (),
    }
    return Site(id=identity, **{**defaults, **facts})


def offer(identity: int = 1, *, cards: int = 8, ask: float = 10, hours: int = 24, **terms: Any) -> Offer:
    """``cards`` at ``ask`` per card-hour for ``hours`` from slot 0; every term can be given."""
    defaults: dict[str, Any] = {
        "site": 1,
        "fabric": identity,
        "model": "ascend-910b",
        "stack": "cann-8",
        "first_slot": 0,
        "free": (cards,) * hours,
        "asks": (money(ask),) * hours,
        "lot": 1,
        "minimum_duration": 1,
        "notice": 24,
        "entered": identity,
    }
    return Offer(id=identity, **{**defaults, **terms})


def alternative(position: int = 0, *, limit: float = 20, **requirement: Any) -> Alternative:
    """Eight cards for four hours in the first day, at ``limit`` per card-hour (or nP-hour)."""
    defaults: dict[str, Any] = {
        "unit": Unit.CARDS,
        "amount": 8,
        "limit": money(limit),
        "workload": Workload.TRAINING,
        "models": (),
        "careful": False,
        "gangs": 1,
        "divisible": False,
        "interruptible": False,
        "precision": None,
        "memory": None,
        "earliest": 0,
        "duration": 4,
        "deadline": 24,
        "latency": None,
        "bandwidth": None,
        "jurisdictions": (),
        "stacks": (),
        "renewable_share": None,
        "carbon": None,
        "verification": None,
        "notice": None,
    }
    return Alternative(position=position, **{**defaults, **requirement})


def request(
    identity: int = 1,
    *alternatives: Alternative,
    least: int = MICRO,
    currency: str = "CNY",
    **requirement: Any,
) -> Request:
    """A request with the given alternatives, or with one made of ``requirement``."""
    return Request(
        id=identity,
        buyer=100 + identity,
        currency=currency,
        least=least,
        entered=identity,
        alternatives=alternatives or (alternative(**requirement),),
    )


def market(
    offers: list[Offer] | None = None,
    requests: list[Request] | None = None,
    *,
    sites: list[Site] | None = None,
    slots: int = 24,
    **changes: Any,
) -> Snapshot:
    snapshot = Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start="2026-03-01T00:00:00+00:00",
        slots=slots,
        base_currency="CNY",
        currencies=(YUAN, DOLLAR),
        models=(ASCEND, HOPPER),
        sites=tuple([site()] if sites is None else sites),
        offers=tuple([offer()] if offers is None else offers),
        requests=tuple([request()] if requests is None else requests),
    )
    return replace(snapshot, **changes)


def ungrouped(snapshot: Snapshot) -> Snapshot:
    """The same without budgets, choices and caps."""
    sites = tuple(replace(each, power_cap=()) for each in snapshot.sites)
    return replace(snapshot, sites=sites, budgets=(), choices=(), owner_caps=())


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    """The same market with every row and every set in another order."""
    dice = random.Random(seed)

    def mixed(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dice.sample(rows, len(rows)))

    def mixed_alternative(each: Alternative) -> Alternative:
        return replace(
            each,
            models=mixed(each.models),
            jurisdictions=mixed(each.jurisdictions),
            stacks=mixed(each.stacks),
        )

    models = [replace(m, precisions=mixed(m.precisions), rates=mixed(m.rates)) for m in snapshot.models]
    sites = [replace(each, round_trips=mixed(each.round_trips)) for each in snapshot.sites]
    requests = [
        replace(each, alternatives=mixed(tuple(map(mixed_alternative, each.alternatives))))
        for each in snapshot.requests
    ]
    return replace(
        snapshot,
        currencies=mixed(snapshot.currencies),
        models=mixed(tuple(models)),
        sites=mixed(tuple(sites)),
        offers=mixed(snapshot.offers),
        requests=mixed(tuple(requests)),
        budgets=mixed(tuple(replace(each, requests=mixed(each.requests)) for each in snapshot.budgets)),
        choices=mixed(tuple(replace(each, requests=mixed(each.requests)) for each in snapshot.choices)),
        owner_caps=mixed(snapshot.owner_caps),
        site_hours=mixed(snapshot.site_hours),
    )


ZONES = ("cn-north", "cn-east", "cn-south", "cn-west", "sg", "eu-central")
PLACES = ("beijing", "shanghai", "singapore", "frankfurt")
STACKS = ("cann-8", "cuda-12", "rocm-6")


def national(seed: int, *, offers: int = 600, requests: int = 3000, slots: int = 168) -> Snapshot:
    """A market about the size of the demo, with every kind of constraint in it."""
    dice = random.Random(seed)
    models = tuple(_random_model(dice, index) for index in range(8))
    sites = tuple(_random_site(dice, index) for index in range(1, 121))
    return Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start="2026-03-01T00:00:00+00:00",
        slots=slots,
        base_currency="CNY",
        currencies=(YUAN, DOLLAR, Currency("EUR", 7_811_003)),
        models=models,
        sites=sites,
        offers=tuple(_random_offer(dice, index, sites, models, slots) for index in range(1, offers + 1)),
        requests=tuple(_random_request(dice, index, models, slots) for index in range(1, requests + 1)),
    )


def _random_model(dice: random.Random, index: int) -> Model:
    rates = []
    for workload in Workload:
        if dice.random() < 0.8:
            point = dice.randint(200_000, 2_500_000)
            rates.append(Rate(workload, point, point * dice.randint(70, 100) // 100))
    precisions = tuple(dice.sample(list(Precision), dice.randint(3, 6)))
    return Model(
        f"model-{index}", dice.choice([32_768, 65_536, 81_920, 98_304]), 500, precisions, tuple(rates)
    )


def _random_site(dice: random.Random, identity: int) -> Site:
    zone = dice.choice(ZONES)
    return site(
        identity,
        zone=zone,
        jurisdiction=zone[:2],
        currency={"sg": "USD", "eu": "EUR"}.get(zone[:2], "CNY"),
        round_trips=tuple(
            RoundTrip(place, dice.randint(2_000, 200_000)) for place in PLACES if dice.random() < 0.9
        ),
        bandwidth=dice.choice([None, 1_000, 10_000, 100_000]),
        renewable_share=dice.choice([None, *range(0, MICRO, 100_000)]),
        carbon=dice.choice([None, *range(50_000, 800_000, 50_000)]),
        verification=dice.randint(0, 3),
        power_cap=(),
    )


def _random_offer(
    dice: random.Random, identity: int, sites: tuple[Site, ...], models: tuple[Model, ...], slots: int
) -> Offer:
    place = dice.choice(sites)
    length = dice.randint(min(12, slots), slots)
    lot = dice.choice([1, 1, 4, 8])
    level = dice.uniform(4, 30) / {"CNY": 1, "USD": 7.2, "EUR": 7.8}[place.currency]
    hourly = [money(level * (0.7 if slot % 24 < 8 else 1)) for slot in range(length)]
    cards = dice.choice([8, 16, 32, 64, 128])
    return offer(
        identity,
        site=place.id,
        model=dice.choice(models).slug,
        stack=dice.choice(STACKS),
        first_slot=dice.randint(0, slots - length),
        free=tuple(max(0, cards - dice.choice([0, 0, 0, 4, 8])) for _ in range(length)),
        asks=tuple(hourly if dice.random() < 0.5 else [money(level)] * length),
        lot=lot,
        minimum_duration=dice.choice([1, 1, 1, 4, 12]),
        notice=dice.choice([0, 1, 24, 72]),
    )


def _random_request(dice: random.Random, identity: int, models: tuple[Model, ...], slots: int) -> Request:
    count = dice.choice([1, 1, 1, 2, 3])
    return request(
        identity,
        *(_random_alternative(dice, position, models, slots) for position in range(count)),
        least=dice.choice([MICRO, MICRO, 500_000, 100_000]),
        currency=dice.choice(["CNY", "CNY", "USD", "EUR"]),
    )


def _random_alternative(
    dice: random.Random, position: int, models: tuple[Model, ...], slots: int
) -> Alternative:
    duration = min(dice.choice([1, 4, 8, 24, 48, 96]), slots)
    earliest = dice.randint(0, slots - duration)
    unit = dice.choice(list(Unit))
    amount = dice.choice([2, 4, 8, 16, 32, 64])

    def sometimes(chance: float, value: Any) -> Any:
        return value if dice.random() < chance else None

    return alternative(
        position,
        unit=unit,
        amount=amount if unit is Unit.CARDS else amount * 900_000,
        limit=dice.uniform(0.5, 30),
        workload=dice.choice(list(Workload)),
        models=tuple(m.slug for m in dice.sample(models, 2)) if dice.random() < 0.2 else (),
        careful=dice.random() < 0.3,
        gangs=int(dice.random() < 0.5),
        divisible=False,
        interruptible=False,
        precision=sometimes(0.4, dice.choice(list(Precision))),
        memory=sometimes(0.3, 65_536),
        earliest=earliest,
        duration=duration,
        deadline=dice.randint(earliest + duration, slots),
        latency=sometimes(0.3, LatencyLimit(dice.choice(PLACES), dice.randint(20_000, 200_000))),
        bandwidth=sometimes(0.2, 10_000),
        jurisdictions=tuple(dice.sample(["cn", "sg", "eu"], 2)) if dice.random() < 0.3 else (),
        stacks=tuple(dice.sample(STACKS, 2)) if dice.random() < 0.3 else (),
        renewable_share=sometimes(0.1, 300_000),
        carbon=sometimes(0.1, 500_000),
        verification=sometimes(0.3, 1),
        notice=sometimes(0.2, 1),
    )
