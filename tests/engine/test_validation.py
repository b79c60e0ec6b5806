"""A malformed snapshot is refused before anything is computed, naming the row and the field."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import (
    MICRO,
    Alternative,
    Budget,
    Choice,
    Currency,
    LatencyLimit,
    MalformedSnapshot,
    Model,
    Offer,
    OwnerCap,
    Precision,
    Rate,
    RoundTrip,
    Site,
    Snapshot,
    Unit,
    Workload,
    check,
    clear,
)
from tests.engine.effort import markets
from tests.engine.markets import (
    ASCEND,
    DOLLAR,
    HOPPER,
    YUAN,
    alternative,
    market,
    money,
    national,
    offer,
    request,
    site,
)
from tests.engine.strategies import everything, snapshots


def with_offer(**terms: Any) -> Snapshot:
    return market([offer(7, **terms)])


def with_site(**facts: Any) -> Snapshot:
    return market(sites=[site(**facts)])


def with_alternative(**requirement: Any) -> Snapshot:
    return market(requests=[request(9, **requirement)])


def with_rate(point: int, lower: int) -> Snapshot:
    return market(models=(replace(ASCEND, rates=(Rate(Workload.VISION, point, lower),)), HOPPER))


BUDGET = Budget(3, (1,), "CNY", money(1))
CHOICE = Choice(4, (1,), 1)


def with_budget(**changes: Any) -> Snapshot:
    return market(budgets=(replace(BUDGET, **changes),))


def with_choice(**changes: Any) -> Snapshot:
    return market(choices=(replace(CHOICE, **changes),))


MALFORMED: list[tuple[Snapshot, str]] = [
    (market(format=1), "snapshot format"),
    (market(slots=0), "snapshot slots"),
    (market(slots=8_785), "snapshot slots"),
    (market(horizon_start="tomorrow"), "snapshot horizon_start"),
    (market(horizon_start="2026-03-01T00:00:00"), "snapshot horizon_start"),
    (market(horizon_start="2026-03-01T00:00:00+08:00"), "snapshot horizon_start"),
    (market(horizon_start="2026-03-01T00:30:00+00:00"), "snapshot horizon_start"),
    (market(base_currency="XXX"), "snapshot base_currency"),
    (market(base_currency="USD"), "snapshot base_currency"),
    (market(currencies=(YUAN, DOLLAR, DOLLAR)), "currency USD: appears more than once"),
    (market(currencies=(YUAN, Currency("USD", 0))), "currency USD base_micro"),
    (market(models=(ASCEND, HOPPER, HOPPER)), "model h800: appears more than once"),
    (market(models=(replace(ASCEND, memory=0), HOPPER)), "model ascend-910b memory"),
    (market(models=(replace(ASCEND, rates=ASCEND.rates * 2), HOPPER)), "rate training: appears"),
    (market(models=(replace(ASCEND, precisions=(Precision.FP8,) * 2), HOPPER)), "precision fp8: appears"),
    (market(models=(replace(ASCEND, power=-1), HOPPER)), "model ascend-910b power"),
    (market(models=(replace(ASCEND, power=10**6 + 1), HOPPER)), "model ascend-910b power"),
    (with_rate(0, 0), "rate vision point"),
    (with_rate(5, 0), "rate vision lower"),
    (with_rate(5, 6), "rate vision lower"),
    (market(sites=[site(1), site(1)]), "site 1: appears more than once"),
    (with_site(currency="XXX"), "site 1 currency"),
    (with_site(zone=""), "site 1 zone"),
    (with_site(jurisdiction=""), "site 1 jurisdiction"),
    (with_site(bandwidth=-1), "site 1 bandwidth"),
    (with_site(renewable_share=MICRO + 1), "site 1 renewable_share"),
    (with_site(carbon=-1), "site 1 carbon"),
    (with_site(verification=-1), "site 1 verification"),
    (with_site(round_trips=(RoundTrip("beijing", -1),)), "site 1 round trip beijing"),
    (with_site(round_trips=(RoundTrip("beijing", 1),) * 2), "round trip beijing: appears"),
    (with_site(power_cap=(1,) * 23), "site 1 power_cap: 23 entries for a horizon of 24"),
    (with_site(power_cap=(1,) * 23 + (-1,)), "site 1 power_cap: -1"),
    (with_site(power_cap=(1,) * 23 + (10**12 + 1,)), "site 1 power_cap: 1000000000001"),
    (
        market([offer(7)], sites=[site(power_cap=(1,) * 24)], models=(replace(ASCEND, power=None),)),
        "offer 7 model: nobody has stated the power of ascend-910b, and site 1 has a power cap",
    ),
    (market([offer(7), offer(7)]), "offer 7: appears more than once"),
    (with_offer(site=99), "offer 7 site: 99 is unknown"),
    (with_offer(model="abacus"), "offer 7 model: 'abacus' is unknown"),
    (with_offer(free=(1, 2), asks=(1,)), "offer 7 asks: 1 entries for 2"),
    (with_offer(free=(), asks=()), "offer 7 free: the window is empty"),
    (with_offer(first_slot=1), "offer 7 first_slot"),
    (with_offer(first_slot=-1), "offer 7 first_slot"),
    (with_offer(free=(8, -1), asks=(1, 1)), "offer 7 free: -1"),
    (with_offer(free=(8, 10**6 + 1), asks=(1, 1)), "offer 7 free: 1000001"),
    (with_offer(free=(8, 8), asks=(1, -1)), "offer 7 asks: -1"),
    (with_offer(free=(8,), asks=(10**12,)), "offer 7 asks: 1000000000000"),
    (with_offer(lot=0), "offer 7 lot"),
    (with_offer(minimum_duration=0), "offer 7 minimum_duration"),
    (with_offer(notice=-1), "offer 7 notice"),
    (market(requests=[request(9), request(9)]), "request 9: appears more than once"),
    (market(requests=[request(9, currency="XXX")]), "request 9 currency"),
    (market(requests=[request(9, least=0)]), "request 9 least"),
    (market(requests=[request(9, least=MICRO + 1)]), "request 9 least"),
    (market(requests=[replace(request(9), alternatives=())]), "request 9 alternatives"),
    (market(requests=[request(9, alternative(1), alternative(1))]), "request 9 alternative 1: appears"),
    (with_alternative(amount=0), "request 9 alternative 0 amount"),
    (with_alternative(amount=10**6 + 1), "request 9 alternative 0 amount"),
    (with_alternative(unit=Unit.NP, amount=10**12 + 1), "request 9 alternative 0 amount"),
    (with_alternative(limit=-1), "request 9 alternative 0 limit"),
    (with_alternative(limit=10**6), "request 9 alternative 0 limit: 1000000000000"),
    (with_alternative(gangs=-1), "request 9 alternative 0 gangs: -1"),
    (with_alternative(unit=Unit.NP, gangs=10**6 + 1), "request 9 alternative 0 gangs: 1000001"),
    (with_alternative(gangs=3), "request 9 alternative 0 gangs: 8 cards do not make 3 equal gangs"),
    (with_alternative(gangs=1, divisible=True), "request 9 alternative 0 divisible"),
    (with_alternative(gangs=0, interruptible=True), "request 9 alternative 0 interruptible"),
    (with_alternative(duration=0), "request 9 alternative 0 duration"),
    (with_alternative(earliest=-1), "request 9 alternative 0 earliest"),
    (with_alternative(deadline=25), "request 9 alternative 0 deadline"),
    (with_alternative(earliest=5, deadline=5), "request 9 alternative 0 deadline"),
    (with_alternative(models=("abacus",)), "request 9 alternative 0 models"),
    (with_alternative(models=("h800", "h800")), "alternative 0 models h800: appears"),
    (with_alternative(stacks=("a", "a")), "alternative 0 stacks a: appears"),
    (with_alternative(jurisdictions=("cn", "cn")), "alternative 0 jurisdictions cn: appears"),
    (with_alternative(latency=LatencyLimit("beijing", -1)), "alternative 0 latency"),
    (with_alternative(memory=-1), "alternative 0 memory"),
    (with_alternative(bandwidth=-1), "alternative 0 bandwidth"),
    (with_alternative(renewable_share=MICRO + 1), "alternative 0 renewable_share"),
    (with_alternative(carbon=-1), "alternative 0 carbon"),
    (with_alternative(verification=-1), "alternative 0 verification"),
    (with_alternative(notice=-1), "alternative 0 notice"),
    (with_budget(id=-1), "budget -1 id"),
    (with_budget(requests=(1, 1)), "budget 3 request 1: appears more than once"),
    (with_budget(requests=(1, 8)), "budget 3 requests: 8 is unknown"),
    (with_budget(currency="XXX"), "budget 3 currency"),
    (with_budget(amount=-1), "budget 3 amount: -1"),
    (with_budget(amount=10**18 + 1), "budget 3 amount: 1000000000000000001"),
    (market(budgets=(BUDGET, BUDGET)), "budget 3: appears more than once"),
    (with_choice(id=2**63), "choice 9223372036854775808 id"),
    (with_choice(requests=(1, 1)), "choice 4 request 1: appears more than once"),
    (with_choice(requests=(8,)), "choice 4 requests: 8 is unknown"),
    (with_choice(most=-1), "choice 4 most: -1"),
    (market(choices=(CHOICE, CHOICE)), "choice 4: appears more than once"),
    (market(owner_caps=(OwnerCap(1, 2, -1),)), "owner cap of buyer 1 on owner 2 card_hours: -1"),
    (market(owner_caps=(OwnerCap(1, 2, 3), OwnerCap(1, 2, 4))), "of buyer 1 on owner 2: appears"),
    (market(carbon_price=-1), "snapshot carbon_price: -1"),
    (market(carbon_price=10**12), "snapshot carbon_price: 1000000000000"),
    (
        market(carbon_price=1, models=(replace(ASCEND, power=None),)),
        "carbon_price: nobody has stated the power of any model",
    ),
    (
        market(carbon_price=1, sites=[site(carbon=None)]),
        "carbon_price: nobody has stated the carbon of any site",
    ),
    (
        market(carbon_price=10**7, sites=[site(carbon=10**12)]),
        "carbon_price: a card-hour's emissions count for more than 1000000000000",
    ),
]


@pytest.mark.parametrize(("snapshot", "problem"), MALFORMED, ids=[problem for _, problem in MALFORMED])
def test_a_malformed_row_is_named(snapshot: Snapshot, problem: str) -> None:
    with pytest.raises(MalformedSnapshot) as refused:
        clear(snapshot)
    assert any(problem in each for each in refused.value.problems), refused.value.problems


def test_every_problem_is_listed_at_once() -> None:
    snapshot = market([offer(1, lot=0), offer(2, site=99)], [request(1, amount=0)])
    with pytest.raises(MalformedSnapshot) as refused:
        check(snapshot)
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("row", ["asks", "limit"])
def test_a_price_is_bounded_in_the_base_currency_too(row: str) -> None:
    dear = 10**12 // 7
    snapshot = market(
        [offer(7, asks=(dear if row == "asks" else 1,) * 24)],
        [request(9, currency="USD", limit=(dear if row == "limit" else 1) / MICRO)],
        sites=[site(currency="USD")],
    )
    with pytest.raises(MalformedSnapshot, match=f"{row}.*converts"):
        check(snapshot)


def worth(limit: float, **terms: Any) -> Snapshot:
    """A request for a thousand cards for a hundred hours, on a horizon that is long enough."""
    asked = request(7, amount=1_000, duration=100, deadline=100, limit=limit, **terms)
    return market([], [asked], slots=100)


def test_an_alternative_that_is_worth_too_much_is_to_be_split() -> None:
    """2**52 micro-units are 4,503,599,627.370496, a hundred thousand times 45,035.99627370496."""
    check(worth(45_035.996273))
    with pytest.raises(MalformedSnapshot) as refused:
        check(worth(45_035.996274))
    (problem,) = refused.value.problems
    assert problem.startswith("request 7 alternative 0 limit: worth 4503599627400000 micro-units")
    assert problem.endswith("more than 4503599627370496: split it")
    with pytest.raises(MalformedSnapshot, match=r"worth .*: split it"):
        check(worth(45_035 / 7.2 + 1, currency="USD"))


def test_groups_of_unlike_requests_are_no_mistake() -> None:
    """A request may be in several groups; a cap may be on an owner that sells nothing here."""
    check(
        market(
            requests=[request(1), request(2, currency="USD")],
            budgets=(Budget(1, (1, 2), "CNY", 0), Budget(2, (2,), "USD", 10**18)),
            choices=(Choice(1, (1, 2), 0), Choice(2, (), 1)),
            owner_caps=(OwnerCap(1, 2, 0), OwnerCap(2, 1, 0)),
        )
    )


def test_emissions_need_no_facts_where_nothing_is_counted_or_sold() -> None:
    dark = {"models": (replace(ASCEND, power=None),), "sites": [site(carbon=None)]}
    check(market(carbon_price=0, **dark))
    check(market([], carbon_price=1, **dark))


def test_well_formed_markets_pass() -> None:
    check(market())
    check(market(horizon_start="2026-03-01T00:00:00Z"))
    check(national(1, offers=50, requests=50, slots=48))


def test_every_field_of_a_row_is_looked_at() -> None:
    """A new field must be bounded, or put here with a reason. Hours are in ``test_hours``."""
    checked = " ".join(problem for _, problem in MALFORMED)
    free_text_or_order: dict[type[Any], set[str]] = {
        Model: {"slug"},
        Site: {"id", "owner"},
        Offer: {"id", "fabric", "stack", "entered"},
        Alternative: {"position", "unit", "workload", "careful", "precision"},
        Budget: set(),
        Choice: set(),
        OwnerCap: set(),
        Snapshot: {"models", "sites", "offers", "requests", "owner_caps", "site_hours"},
    }
    singular = {"precisions": "precision", "rates": "rate", "round_trips": "round trip"}
    singular |= {"currencies": "currency", "budgets": "budget", "choices": "choice"}
    for kind, exempt in free_text_or_order.items():
        for name in {field.name for field in fields(kind)} - exempt:
            assert singular.get(name, name) in checked, (kind, name)


Spoiling = tuple[str, str, Any]
"""A kind of row, one of its fields, and a figure that no market has."""

OUT_OF_BOUNDS: list[Spoiling] = [
    ("offer", "free", lambda offer: (-1, *offer.free[1:])),
    ("offer", "free", lambda offer: (2**63, *offer.free[1:])),
    ("offer", "free", lambda _: ()),
    ("offer", "asks", lambda offer: (10**12, *offer.asks[1:])),
    ("offer", "asks", lambda offer: (-1, *offer.asks[1:])),
    ("offer", "asks", lambda offer: (*offer.asks, 1)),
    ("offer", "first_slot", lambda _: -1),
    ("offer", "lot", lambda _: 0),
    ("offer", "site", lambda _: 99),
    ("request", "least", lambda _: 0),
    ("request", "currency", lambda _: "???"),
    ("request", "alternatives", lambda _: ()),
    ("request", "alternatives", lambda asked: asked.alternatives * 2),
]


@given(everything(snapshots()), st.sampled_from(OUT_OF_BOUNDS), st.integers(0, 7))
@markets(100)
def test_any_market_is_refused_for_one_wrong_figure(
    snapshot: Snapshot, spoiling: Spoiling, number: int
) -> None:
    """It is named by its row; and so is a row that is there twice."""
    kind, field, spoil = spoiling
    rows = list(getattr(snapshot, f"{kind}s"))
    row = rows[number % len(rows)]
    wrong = replace(row, **{field: spoil(row)})
    for spoiled in ([wrong if each is row else each for each in rows], [*rows, row]):
        with pytest.raises(MalformedSnapshot) as refused:
            clear(replace(snapshot, **{f"{kind}s": tuple(spoiled)}))
        assert any(problem.startswith(f"{kind} {row.id}") for problem in refused.value.problems)
