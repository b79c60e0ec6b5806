"""A malformed snapshot is refused before anything is computed, naming the row and the field."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from marketplace.engine import (
    MICRO,
    Alternative,
    Currency,
    LatencyLimit,
    MalformedSnapshot,
    Model,
    Offer,
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
from tests.engine.markets import (
    ASCEND,
    DOLLAR,
    HOPPER,
    YUAN,
    alternative,
    market,
    national,
    offer,
    request,
    site,
)


def with_offer(**terms: Any) -> Snapshot:
    return market([offer(7, **terms)])


def with_site(**facts: Any) -> Snapshot:
    return market(sites=[site(**facts)])


def with_alternative(**requirement: Any) -> Snapshot:
    return market(requests=[request(9, **requirement)])


def with_rate(point: int, lower: int) -> Snapshot:
    return market(models=(replace(ASCEND, rates=(Rate(Workload.VISION, point, lower),)), HOPPER))


MALFORMED: list[tuple[Snapshot, str]] = [
    (market(format=2), "snapshot format"),
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
    (with_offer(free=(8,), asks=(10**12 + 1,)), "offer 7 asks: 1000000000001"),
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


def test_well_formed_markets_pass() -> None:
    check(market())
    check(market(horizon_start="2026-03-01T00:00:00Z"))
    check(national(1, offers=50, requests=50, slots=48))


def test_every_field_of_a_row_is_looked_at() -> None:
    """A new field must be bounded, or put here with a reason."""
    checked = " ".join(problem for _, problem in MALFORMED)
    free_text_or_order: dict[type[Model | Site | Offer | Alternative], set[str]] = {
        Model: {"slug"},
        Site: {"id", "owner"},
        Offer: {"id", "fabric", "stack", "entered"},
        Alternative: {"position", "unit", "workload", "careful", "gangs", "divisible", "interruptible", "precision"},
    }
    singular = {"precisions": "precision", "rates": "rate", "round_trips": "round trip"}
    for kind, exempt in free_text_or_order.items():
        for name in {field.name for field in fields(kind)} - exempt:
            assert singular.get(name, name) in checked, (kind, name)
