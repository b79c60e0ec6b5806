"""The slow optimum itself: worked examples, and that its placements are what verification accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from marketplace.engine import (
    MICRO,
    Budget,
    Choice,
    OwnerCap,
    Placement,
    Snapshot,
    Unit,
    verify,
)
from marketplace.engine.verification.delivery import delivery_rules
from marketplace.engine.verification.market import Market
from tests.engine.brute import Tiny, best_priced, best_priced_placements, optimum, runs_of
from tests.engine.effort import markets
from tests.engine.markets import market, money, offer, request, site
from tests.engine.records import record
from tests.engine.strategies import tiny, with_hours


def small(*offers: Any, requests: list[Any], **changes: Any) -> Snapshot:
    return market(list(offers), requests, slots=2, **changes)


def one(identity: int = 1, **terms: Any) -> Any:
    """An offer of four cards at 10 for two hours."""
    return offer(identity, **{"cards": 4, "ask": 10, "hours": 2, **terms})


def asks(identity: int = 1, **terms: Any) -> Any:
    """A request for two cards from anywhere, for the first hour, at 15."""
    return request(identity, **{"amount": 2, "gangs": 0, "duration": 1, "deadline": 1, "limit": 15, **terms})


def whole(units: float) -> int:
    """Whole units of the base currency in pico."""
    return money(units) * MICRO


@pytest.mark.parametrize(
    ("snapshot", "best"),
    [
        (small(one(), requests=[asks()]), 2 * 5),
        (small(one(), requests=[asks(limit=9)]), 0),
        (small(one(), requests=[asks(1), asks(2), asks(3, limit=20)]), 2 * 5 + 2 * 10),
        (small(one(lot=3), requests=[asks(limit=15)]), 0),
        (small(one(lot=3), requests=[asks(limit=16)]), 2 * 16 - 3 * 10),
        (small(one(minimum_duration=2), requests=[asks()]), 0),
        (small(one(1, cards=1), one(2, cards=1, ask=12), requests=[asks()]), 2 * 15 - 22),
        (small(one(cards=1), requests=[asks(least=500_000)]), 5),
        (small(one(1, cards=1), one(2, cards=1), requests=[asks(gangs=1)]), 0),
        (small(one(1, cards=1), one(2, cards=1), requests=[asks(gangs=2)]), 10),
        (small(one(1, cards=1), requests=[asks(gangs=2, least=500_000)]), 5),
        (small(one(1, lot=2), requests=[asks(gangs=2, limit=25)]), 2 * 25 - 4 * 10),
    ],
)
def test_worked_examples(snapshot: Snapshot, best: float) -> None:
    assert optimum(snapshot) == best_priced(snapshot) == whole(best)


def test_divisible_work_takes_the_cheapest_hours() -> None:
    """Four card-hours; four cards cost 3 in the second hour and 10 in the first."""
    cheap_later = one(asks=(money(10), money(3)))
    spread = asks(amount=4, divisible=True, deadline=2)
    assert optimum(small(cheap_later, requests=[spread])) == whole(4 * (15 - 3))


def test_work_that_must_not_pause_pays_for_the_dear_hour_between() -> None:
    """Three hours of a card at 1, 10 and 1, for two card-hours."""
    offers = [offer(cards=1, free=(1,) * 3, asks=(money(1), money(10), money(1)))]
    work = {"amount": 1, "duration": 2, "deadline": 3, "gangs": 0, "divisible": True, "limit": 15}
    patient = market(offers, [request(interruptible=True, **work)], slots=3)
    hasty = market(offers, [request(**work)], slots=3)
    assert optimum(patient) == whole(30 - 2)
    assert optimum(hasty) == whole(30 - 11)


def test_a_choice_keeps_the_best_of_its_requests() -> None:
    requests = [asks(1, limit=15), asks(2, limit=20)]
    assert optimum(small(one(), requests=requests, choices=(Choice(1, (1, 2), 1),))) == whole(20)


def test_an_owner_cap_counts_card_hours() -> None:
    requests = [asks(1), asks(2)]
    same_buyer = [replace(each, buyer=5) for each in requests]
    caps = (OwnerCap(5, 1, 3),)
    assert optimum(small(one(), requests=same_buyer, owner_caps=caps)) == whole(10)
    assert optimum(small(one(), requests=requests, owner_caps=caps)) == whole(20)


def test_a_power_cap_counts_watts_in_each_slot() -> None:
    """A card draws 310 W."""
    for cap, best in (((620, 0), 10), ((619, 10**6), 0)):
        snapshot = small(one(), requests=[asks()], sites=[site(power_cap=cap)])
        assert optimum(snapshot) == whole(best)


def test_a_carbon_price_is_counted_against_a_placement() -> None:
    """310 W x 400 g/kWh are 124 g an hour; at 10 a kilogram that is 1.24 for each of two cards."""
    snapshot = small(one(), requests=[asks()], carbon_price=money(10))
    assert optimum(snapshot) == whole(10 - 2 * 1.24)


def test_a_budget_is_about_payments() -> None:
    """Both pay 20, which is too much together; without prices nothing is paid."""
    snapshot = small(one(), requests=[asks(1), asks(2)], budgets=(Budget(1, (1, 2), "CNY", money(39)),))
    assert optimum(snapshot) == whole(20)
    assert best_priced(snapshot) == whole(10)


def test_where_no_uniform_price_serves_both_one_of_them_goes() -> None:
    """The second needs cards at 14, which the first, at 13, cannot pay."""
    offers = [one(1, ask=10), one(2, ask=14, stack="cuda-12")]
    requests = [asks(1, limit=13, stacks=("cann-8",)), asks(2, limit=16, stacks=("cuda-12",))]
    snapshot = small(*offers, requests=requests)
    assert optimum(snapshot) == whole(2 * 3 + 2 * 2)
    assert best_priced(snapshot) == whole(2 * 3)


@given(with_hours(tiny()))
@markets(200)
def test_what_it_finds_is_verified(snapshot: Snapshot) -> None:
    best, placements = best_priced_placements(snapshot)
    result = record(snapshot, *placements)
    assert result.objective == best // MICRO
    verify(snapshot, result)


KINDS: dict[str, dict[str, Any]] = {
    "anywhere": {"gangs": 0},
    "one gang": {"gangs": 1},
    "two gangs": {"gangs": 2},
    "divisible": {"gangs": 0, "divisible": True},
    "interruptible": {"gangs": 0, "divisible": True, "interruptible": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_looks_at_just_what_verification_accepts(kind: str) -> None:
    """On one offer, every number of cards in every slot, legal or not."""
    terms = product([(3, 3, 3), (2, 0, 3)], [1, 2], [1, 2])
    wishes = product([1, 2, 3], [1, 2], [MICRO, 500_000])
    for (free, lot, shortest), (amount, duration, least) in product(terms, wishes):
        number = amount * KINDS[kind]["gangs"] if KINDS[kind]["gangs"] else amount
        asked = request(least=least, amount=number, duration=duration, deadline=3, **KINDS[kind])
        sold = offer(free=free, asks=(1,) * 3, lot=lot, minimum_duration=shortest)
        agree_on_everything(market([sold], [asked], slots=3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", [1_600_000, 2_800_000])
def test_it_does_so_where_two_models_share_the_work(kind: str, amount: int) -> None:
    """A card of the one does 0.8 nP, a card of the other 2 nP and comes in twos."""
    asked = request(unit=Unit.NP, amount=amount, duration=2, deadline=3, **KINDS[kind])
    slow = offer(1, free=(2, 2, 1), asks=(1,) * 3)
    fast = offer(2, free=(2, 0, 2), asks=(1,) * 3, lot=2, model="h800")
    agree_on_everything(market([slow, fast], [asked], slots=3))


def agree_on_everything(snapshot: Snapshot) -> None:
    """The slow optimum looks at a fill if and only if verification finds nothing wrong with it."""
    asked, checked, brute = snapshot.requests[0], Market(snapshot), Tiny(snapshot)
    wanted = asked.alternatives[0]
    legal = {fill for fill in brute.fills(asked, wanted) if brute.possible(fill)}
    for fill in conceivable(snapshot, asked.id, wanted.position):
        broken = list(delivery_rules(checked, list(fill)))
        assert (fill in legal) == (not broken), (fill, broken)


def conceivable(snapshot: Snapshot, identity: int, position: int) -> Iterator[tuple[Placement, ...]]:
    """Cards by offer and slot, as runs of equal cards; one more than there are is tried too."""
    plans = [list(product(range(max(each.free) + 2), repeat=snapshot.slots)) for each in snapshot.offers]
    for chosen in product(*plans):
        fill = tuple(
            Placement(identity, position, each.id, first, length, cards)
            for each, plan in zip(snapshot.offers, chosen, strict=True)
            for first, length, cards in runs_of(plan, 0)
        )
        if fill:
            yield fill
