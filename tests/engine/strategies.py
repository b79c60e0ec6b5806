"""Small random markets in which everything collides: few products, few slots, tight limits.

``snapshots`` and ``crowds`` have the plain rules only, ``everything`` adds the others to any market:
several gangs, divisible work, budgets, choices, caps and a carbon price.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from marketplace.engine import (
    HOURLY_FORMAT,
    MICRO,
    SNAPSHOT_FORMAT,
    Alternative,
    Budget,
    Choice,
    Currency,
    LatencyLimit,
    Model,
    Offer,
    OwnerCap,
    Precision,
    Rate,
    Request,
    RoundTrip,
    Site,
    SiteHours,
    Snapshot,
    Unit,
    Workload,
)
from tests.engine.markets import alternative, market, offer, site

STACKS = ("cann-8", "cuda-12")
CODES = ("CNY", "CNY", "CNY", "USD", "XTS")
SLUGS = ("fast", "fast", "fast", "slow", "slow", "unmeasured")

MODELS = (
    Model("fast", 80, 700, (Precision.BF16, Precision.FP8), (Rate(Workload.TRAINING, 2_000_003, 1_499_999),)),
    Model("slow", 40, 300, (Precision.BF16,), (Rate(Workload.TRAINING, 700_001, 600_000),)),
    Model("unmeasured", 80, None, (Precision.BF16,), ()),
)


@st.composite
def snapshots(
    draw: st.DrawFn, *, gangs_only: bool = False, all_or_nothing: bool = False, requests: int = 8
) -> Snapshot:
    slots = draw(st.integers(3, 7))
    sites = [draw(_sites(identity)) for identity in range(1, draw(st.integers(1, 3)) + 1)]
    sellers, buyers = draw(st.integers(1, 6)), draw(st.sampled_from([1, 3, 5, requests]))
    offers = [draw(_offers(identity, len(sites), slots)) for identity in range(1, sellers + 1)]
    asked = [
        draw(_requests(identity, slots, gangs_only, all_or_nothing)) for identity in range(1, buyers + 1)
    ]
    return market(
        offers,
        asked,
        sites=sites,
        slots=slots,
        models=MODELS,
        currencies=(
            Currency("CNY", MICRO),
            Currency("USD", 7_199_999),
            Currency("XTS", draw(st.sampled_from([1, 333_333, 999_983, 10**9 + 7]))),
        ),
    )


@st.composite
def _sites(draw: st.DrawFn, identity: int) -> Site:
    return site(
        identity,
        zone=draw(st.sampled_from(["north", "north", "north", "south"])),
        currency=draw(st.sampled_from(CODES)),
        jurisdiction=draw(st.sampled_from(["cn", "sg"])),
        round_trips=draw(st.sampled_from([(), (RoundTrip("beijing", 5),), (RoundTrip("beijing", 50),)])),
        bandwidth=draw(st.sampled_from([None, 1, 10])),
        renewable_share=draw(st.sampled_from([None, 0, 500_000])),
        carbon=draw(st.sampled_from([None, 0, 100])),
        verification=draw(st.integers(0, 2)),
        power_cap=(),
    )


@st.composite
def _offers(draw: st.DrawFn, identity: int, sites: int, slots: int) -> Offer:
    first = draw(st.sampled_from([0, 0, 0, 1, 2]))
    length = slots - first - draw(st.sampled_from([0, 0, 0, min(1, slots - first - 1)]))
    cards = st.sampled_from([0, 2, 4, 6, 6, 8, 8, 9, 12])
    column = st.lists(cards, min_size=length, max_size=length)
    asks = st.lists(st.sampled_from([0, 1, 3, 5, 7, 8, 9, 10, 12]), min_size=length, max_size=length)
    return Offer(
        id=identity,
        site=draw(st.integers(1, sites)),
        fabric=identity,
        model=draw(st.sampled_from(SLUGS)),
        stack=draw(st.sampled_from(STACKS)),
        first_slot=first,
        free=tuple(draw(column)),
        asks=tuple(draw(asks)),
        lot=draw(st.sampled_from([1, 1, 2, 3])),
        minimum_duration=draw(st.sampled_from([1, 1, 2])),
        notice=draw(st.sampled_from([0, 24])),
        entered=identity,
    )


@st.composite
def _requests(draw: st.DrawFn, identity: int, slots: int, gangs_only: bool, all_or_nothing: bool) -> Request:
    count = draw(st.sampled_from([1, 1, 2]))
    return Request(
        id=identity,
        buyer=identity,
        currency=draw(st.sampled_from(CODES)),
        least=MICRO if all_or_nothing else draw(st.sampled_from([MICRO, 500_000, 1])),
        entered=draw(st.integers(0, 2)),
        alternatives=tuple(draw(_alternatives(position, slots, gangs_only)) for position in range(count)),
    )


@st.composite
def _alternatives(draw: st.DrawFn, position: int, slots: int, gangs_only: bool) -> Alternative:
    unit = draw(st.sampled_from(Unit))
    earliest = draw(st.sampled_from([0, 0, 1, 2]))
    duration = draw(st.integers(1, 3))

    def rarely(value: Any, *, nothing: Any = None) -> Any:
        return draw(st.sampled_from([nothing] * 12 + [value]))

    return Alternative(
        position=position,
        unit=unit,
        amount=draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 11])) * (1 if unit is Unit.CARDS else 900_001),
        limit=draw(st.sampled_from([0, 4, 6, 8, 9, 10, 11, 13, 20, 40])),
        workload=draw(st.sampled_from([Workload.TRAINING] * 12 + [Workload.VISION])),
        models=rarely(("fast", "unmeasured"), nothing=()),
        careful=draw(st.booleans()),
        gangs=int(gangs_only or draw(st.booleans())),
        divisible=False,
        interruptible=False,
        precision=rarely(Precision.FP8),
        memory=rarely(80),
        earliest=earliest,
        duration=duration,
        deadline=draw(st.integers(min(earliest + max(duration - 1, 1), slots), slots)),
        latency=rarely(LatencyLimit("beijing", 10)),
        bandwidth=rarely(5),
        jurisdictions=rarely(("cn",), nothing=()),
        stacks=rarely(("cann-8",), nothing=()),
        renewable_share=rarely(100_000),
        carbon=rarely(50),
        verification=rarely(1),
        notice=rarely(24),
    )


@st.composite
def crowds(draw: st.DrawFn, *, gangs_only: bool = False, partial: bool = True) -> Snapshot:
    """Many buyers of two products who all have just enough: every price rise may hurt somebody.

    Work without a known rate counts as dense, so that buyers with lower limits come first.
    """
    slots = draw(st.integers(2, 5))
    ask = st.integers(3, 9)
    offers = []
    for identity in range(1, draw(st.integers(3, 6)) + 1):
        asks = draw(st.lists(ask, min_size=slots, max_size=slots))
        offers.append(
            offer(
                identity,
                model=draw(st.sampled_from(["ascend-910b", "h800"])),
                free=(draw(st.integers(2, 9)),) * slots,
                asks=tuple(asks),
                lot=draw(st.sampled_from([1, 1, 1, 2])),
            )
        )
    asked = []
    for identity in range(1, draw(st.integers(4, 12)) + 1):
        duration = draw(st.integers(1, 2))
        asked.append(
            Request(
                id=identity,
                buyer=identity,
                currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
                least=draw(st.sampled_from([MICRO, MICRO, 300_000])) if partial else MICRO,
                entered=identity,
                alternatives=(
                    alternative(
                        amount=draw(st.integers(1, 5)),
                        gangs=int(gangs_only or draw(st.sampled_from([False, False, True]))),
                        duration=duration,
                        earliest=draw(st.integers(0, slots - duration)),
                        deadline=slots,
                        workload=draw(st.sampled_from([Workload.TRAINING, Workload.VISION])),
                    ),
                ),
            )
        )
    tight = [replace(each, alternatives=(_tight(draw, each),)) for each in asked]
    return market(offers, tight, slots=slots)


def _tight(draw: st.DrawFn, request: Request) -> Alternative:
    limits = {"CNY": st.integers(4, 10), "USD": st.just(1)}
    return replace(request.alternatives[0], limit=draw(limits[request.currency]))


@st.composite
def tiny(draw: st.DrawFn, *, requests: int = 4) -> Snapshot:
    """A market so small that every combination can be tried, with every rule there is."""
    slots = draw(st.integers(2, 3))
    sites = [
        site(
            identity,
            owner=draw(st.integers(1, 2)),
            zone="north",
            currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
            carbon=draw(st.sampled_from([400_000, None, 0])),
        )
        for identity in range(1, draw(st.integers(1, 2)) + 1)
    ]
    offers = [
        draw(_tiny_offers(identity, len(sites), slots)) for identity in range(1, draw(st.integers(1, 3)) + 1)
    ]
    asked = [
        Request(
            id=identity,
            buyer=draw(st.integers(1, 2)),
            currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
            least=draw(st.sampled_from([MICRO, MICRO, 500_000, 1])),
            entered=identity,
            alternatives=tuple(
                draw(_tiny_alternatives(position, slots))
                for position in range(draw(st.sampled_from([1, 1, 1, 2])))
            ),
        )
        for identity in range(1, draw(st.integers(1, requests)) + 1)
    ]
    snapshot = market(
        offers,
        asked,
        sites=sites,
        slots=slots,
        models=MODELS,
        currencies=(Currency("CNY", MICRO), Currency("USD", 7_199_999)),
    )
    return draw(everything(st.just(snapshot)))


@st.composite
def _tiny_offers(draw: st.DrawFn, identity: int, sites: int, slots: int) -> Offer:
    column = st.lists(st.sampled_from([0, 1, 2, 2, 3]), min_size=slots, max_size=slots)
    asks = st.lists(st.sampled_from([0, 1, 3, 5, 7, 8, 9, 10, 12]), min_size=slots, max_size=slots)
    return offer(
        identity,
        site=draw(st.integers(1, sites)),
        model=draw(st.sampled_from(SLUGS)),
        free=tuple(draw(column)),
        asks=tuple(draw(asks)),
        lot=draw(st.sampled_from([1, 1, 2, 3])),
        minimum_duration=draw(st.sampled_from([1, 1, 1, 2])),
    )


@st.composite
def _tiny_alternatives(draw: st.DrawFn, position: int, slots: int) -> Alternative:
    unit = draw(st.sampled_from([Unit.CARDS, Unit.CARDS, Unit.NP]))
    duration = draw(st.integers(1, 2))
    return alternative(
        position,
        unit=unit,
        amount=draw(st.integers(1, 4)) * (1 if unit is Unit.CARDS else 900_001),
        limit=draw(st.sampled_from([0, 6, 9, 10, 11, 13, 20, 40])) / MICRO,
        models=draw(st.sampled_from([(), (), ("fast",)])),
        gangs=draw(st.integers(0, 1)),
        earliest=draw(st.integers(0, slots - duration)),
        duration=duration,
        deadline=slots,
    )


@st.composite
def everything(draw: st.DrawFn, plain: st.SearchStrategy[Snapshot]) -> Snapshot:
    """The same market with the rules that ``plain`` may not have."""
    snapshot = draw(plain)
    requests = tuple(
        replace(each, alternatives=tuple(_together(draw, row) for row in each.alternatives))
        for each in snapshot.requests
    )
    identities = [each.id for each in requests]
    codes = [each.code for each in snapshot.currencies]
    some = st.lists(st.sampled_from(identities), min_size=1, max_size=4, unique=True).map(tuple)
    budgets = st.builds(Budget, st.just(7), some, st.sampled_from(codes), st.integers(0, 150))
    choices = st.builds(Choice, st.just(8), some, st.integers(0, 2))
    caps = st.builds(
        OwnerCap,
        st.sampled_from([each.buyer for each in requests]),
        st.sampled_from([each.owner for each in snapshot.sites]),
        st.integers(0, 8),
    )
    measured = any(each.carbon is not None for each in snapshot.sites)
    return replace(
        snapshot,
        requests=requests,
        sites=tuple(_with_power_cap(draw, each, snapshot) for each in snapshot.sites),
        budgets=tuple(draw(st.lists(budgets, max_size=1))),
        choices=tuple(draw(st.lists(choices, max_size=1))),
        owner_caps=tuple(draw(st.lists(caps, max_size=1))),
        carbon_price=draw(st.sampled_from([0, 0, 7, 13])) if measured else 0,
    )


def _together(draw: st.DrawFn, plain: Alternative) -> Alternative:
    """Another way for the cards to come together, in half of all cases."""
    kind = draw(st.sampled_from(["plain", "plain", "plain", "gangs", "divisible", "interruptible"]))
    if kind == "plain":
        return plain
    if kind == "gangs":
        gangs = draw(st.integers(2, 3))
        cards = plain.unit is Unit.CARDS
        amount = -(-plain.amount // gangs) * gangs if cards else plain.amount
        return replace(plain, gangs=gangs, amount=amount)
    return replace(plain, gangs=0, divisible=True, interruptible=kind == "interruptible")


@st.composite
def with_hours(draw: st.DrawFn, plain: st.SearchStrategy[Snapshot]) -> Snapshot:
    """The same market, in half of all cases with power that varies by the hour and is asked for."""
    snapshot = draw(plain)
    if draw(st.booleans()):
        return snapshot
    requests = tuple(
        replace(each, alternatives=tuple(_with_power(draw, row) for row in each.alternatives))
        for each in snapshot.requests
    )
    return _with_hours(draw, replace(snapshot, requests=requests))


def _with_hours(draw: st.DrawFn, plain: Snapshot) -> Snapshot:
    """Sites whose carbon intensity, renewable share or both vary by the hour."""

    def column(figures: tuple[int, ...]) -> tuple[int, ...]:
        hours = st.lists(st.sampled_from(figures), min_size=plain.slots, max_size=plain.slots)
        return tuple(draw(st.one_of(st.just([]), hours)))

    drawn = [SiteHours(each.id, column((0, 500_000)), column((0, 60, 400_000))) for each in plain.sites]
    hours = tuple(each for each in drawn if each.renewable_share or each.carbon)
    return replace(plain, format=HOURLY_FORMAT if hours else SNAPSHOT_FORMAT, site_hours=hours)


def _with_power(draw: st.DrawFn, plain: Alternative) -> Alternative:
    """What is asked of the power of every hour, in half of all cases."""
    share = draw(st.sampled_from([None, None, None, 400_000]))
    carbon = draw(st.sampled_from([None, None, 50, 100, 300_000]))
    return replace(plain, renewable_share=share, carbon=carbon)


def _with_power_cap(draw: st.DrawFn, plain: Site, snapshot: Snapshot) -> Site:
    """A cap on what a few cards draw, in a quarter of the sites that may have one."""
    powers = {each.slug: each.power for each in snapshot.models}
    known = all(powers[each.model] is not None for each in snapshot.offers if each.site == plain.id)
    if not known or draw(st.integers(0, 3)):
        return plain
    watts = st.sampled_from([0, 600, 1_400, 2_100])
    cap = draw(st.lists(watts, min_size=snapshot.slots, max_size=snapshot.slots))
    return replace(plain, power_cap=tuple(cap))
