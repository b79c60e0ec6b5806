"""The bound holds whatever is placed, and is computed as ``docs/engine.md`` says, whatever the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import (
    MICRO,
    Rate,
    ResultRefused,
    Shadow,
    Snapshot,
    Unit,
    Workload,
    check,
    clear,
    verify,
)
from marketplace.engine.verification import proven_bound
from tests.engine.brute import Tiny, optimum
from tests.engine.effort import markets
from tests.engine.literal import Literal
from tests.engine.markets import HOPPER, alternative, market, money, offer, request
from tests.engine.records import nought
from tests.engine.strategies import everything, snapshots, tiny, with_hours


@st.composite
def shadows(draw: st.DrawFn, snapshot: Snapshot, highest: int = 15) -> tuple[Shadow, ...]:
    """Any shadow prices: offers of a product in one group, or each in one of its own."""
    tiny_market = Tiny(snapshot)
    groups: dict[object, list[int]] = {}
    for each in snapshot.offers:
        key = (tiny_market.product(each), draw(st.integers(0, 1)))
        groups.setdefault(key, []).append(each.id)
    prices = st.lists(st.integers(0, highest), min_size=snapshot.slots, max_size=snapshot.slots)
    return tuple(Shadow(tuple(offers), tuple(draw(prices))) for offers in groups.values())


@given(st.data())
@markets(300)
def test_no_placement_is_better_than_the_bound(data: st.DataObject) -> None:
    snapshot = data.draw(with_hours(tiny()))
    check(snapshot)
    best = optimum(snapshot)
    for bound in bounds_going_down(snapshot, data.draw(shadows(snapshot))):
        assert best <= bound * MICRO


def bounds_going_down(snapshot: Snapshot, start: tuple[Shadow, ...]) -> Iterator[int]:
    """The bound at ``start``, and wherever a change of one price lowers it: loose bounds prove little."""
    chosen, lowest = list(start), proven_bound(snapshot, start)
    yield lowest
    for group, slot, price in product(range(len(start)), range(snapshot.slots), (0, 3, 6, 9, 20, 60)):
        prices = list(chosen[group].prices)
        prices[slot] = price
        tried = [*chosen[:group], replace(chosen[group], prices=tuple(prices)), *chosen[group + 1 :]]
        bound = proven_bound(snapshot, tuple(tried))
        if bound < lowest:
            chosen, lowest = tried, bound
            yield bound


@given(st.data())
@markets(300)
def test_the_bound_is_what_the_formulas_say(data: st.DataObject) -> None:
    snapshot = data.draw(with_hours(everything(snapshots())))
    chosen = data.draw(shadows(snapshot, highest=30))
    assert proven_bound(snapshot, chosen) == Literal(snapshot, chosen).bound()


@given(st.data())
@markets(100)
def test_one_more_offer_never_lowers_the_bound(data: st.DataObject) -> None:
    snapshot = data.draw(everything(snapshots()))
    chosen = data.draw(shadows(snapshot))
    fewer = replace(snapshot, offers=snapshot.offers[:-1])
    gone = snapshot.offers[-1].id
    left = (replace(each, offers=tuple(set(each.offers) - {gone})) for each in chosen)
    before = proven_bound(fewer, tuple(each for each in left if each.offers))
    assert before <= proven_bound(snapshot, chosen)


def test_at_nought_the_bound_is_all_that_could_be_worth() -> None:
    """8 x 4 x 20 and 5 x 1 x 3; the third can be served by nobody."""
    requests = [
        request(1, alternative(0, limit=20), alternative(1, limit=19)),
        request(2, amount=5, duration=1, limit=3),
        request(3, stacks=("cuda-12",)),
    ]
    snapshot = market(requests=requests)
    assert proven_bound(snapshot, nought(snapshot)) == money(640 + 15)


def test_cards_that_are_worth_more_than_they_cost_count_on_the_side_of_supply() -> None:
    """Eight cards at 10 for 24 hours, priced at 12; nobody gains anything at 12."""
    snapshot = market(requests=[request(limit=12)])
    twelve = (Shadow((1,), (money(12),) * 24),)
    assert proven_bound(snapshot, twelve) == money(2 * 8 * 24)


def test_a_group_with_two_lots_is_as_cheap_as_the_better_of_them() -> None:
    """Five cards are two lots of four or one of five: the larger lot is the smaller gang."""
    offers = [offer(1, cards=20, lot=4, ask=0), offer(2, cards=20, lot=5, ask=0)]
    snapshot = market(offers, [request(amount=5, limit=20, duration=1)], slots=24)
    one = (Shadow((1, 2), (money(1),) * 24),)
    assert proven_bound(snapshot, one) == money(20 * 5 - 5) + money(2 * 20 * 24)


def test_a_part_of_the_amount_may_be_worth_more_than_its_share_of_a_rounded_worth() -> None:
    """1.3 nP at 3 micro-units are worth 3.9, paid as 3, an hour; so is the one nP that there is a card
    for. For a hundred hours at 2 that gains 100, and not 300 / 1.3 less 200."""
    one_np = replace(HOPPER, rates=(Rate(Workload.TRAINING, MICRO, MICRO),))
    asked = request(
        unit=Unit.NP, amount=1_300_000, gangs=0, least=1, limit=3 / MICRO, duration=100, deadline=100
    )
    card = offer(model="h800", free=(1,) * 100, asks=(2,) * 100)
    snapshot = market([card], [asked], slots=100, models=(one_np,))
    assert optimum(snapshot) == 100 * MICRO
    assert 100 <= proven_bound(snapshot, (Shadow((1,), (2,) * 100),)) <= 101


def test_a_mix_has_no_more_room_than_there_are_cards() -> None:
    """Of eight cards at up to 20, three can be had at 5 and the others cost 15."""
    offers = [offer(1, cards=3, ask=5), offer(2, cards=8, ask=15)]
    snapshot = market(offers, [request(gangs=0, duration=1)])
    asks = (Shadow((1,), (money(5),) * 24), Shadow((2,), (money(15),) * 24))
    assert optimum(snapshot) == money(3 * 15 + 5 * 5) * MICRO
    assert proven_bound(snapshot, asks) == money(3 * 15 + 5 * 5)


@pytest.mark.parametrize(
    "broken",
    [
        (),
        (Shadow((1,), (0,) * 24),),
        (Shadow((1, 2), (0,) * 24), Shadow((2,), (0,) * 24)),
        (Shadow((1, 2, 3), (0,) * 24),),
        (Shadow((1, 2), (0,) * 24), Shadow((), (0,) * 24)),
        (Shadow((1, 2), (0,) * 25),),
        (Shadow((1, 2), ()),),
        (Shadow((1, 2), (-1,) * 24),),
        (Shadow((1, 2), (0,) * 23 + (2**52 // 24 + 1,)),),
    ],
)
def test_only_shadow_prices_of_the_market_prove_anything(broken: tuple[Shadow, ...]) -> None:
    with pytest.raises(ResultRefused):
        proven_bound(market([offer(1), offer(2)]), broken)


def extreme(slots: int) -> Snapshot:
    """As large as figures may be, everywhere at once."""
    fast = replace(HOPPER, rates=(Rate(Workload.TRAINING, 10**9, 1),))
    offers = [
        offer(1, model="h800", free=(10**6,) * slots, asks=(10**12 - 1,) * slots),
        offer(2, model="h800", free=(10**6,) * slots, asks=(0,) * slots, lot=10**6),
    ]
    work = {"unit": Unit.NP, "amount": 10**12, "duration": slots, "deadline": slots, "limit": 0.512}
    one_hour = {"duration": 1, "deadline": slots, "limit": (10**12 - 1) / MICRO}
    requests = [
        request(1, divisible=True, gangs=0, careful=True, **work),
        request(2, divisible=True, gangs=0, **work),
        request(3, gangs=0, careful=True, **work),
        request(4, gangs=0, **work),
        request(5, gangs=10**6, **work),
        request(6, gangs=1, amount=1, **one_hour),
        request(7, gangs=0, amount=4_503, **one_hour),
    ]
    return market(offers, requests, slots=slots, models=(fast,))


@pytest.mark.parametrize("slots", [24, 8_784])
@pytest.mark.parametrize("price", [0, 1, 511_999, 512_000, 512_001, 2**38, None])
def test_the_bound_is_exact_at_the_edge_of_what_validation_allows(slots: int, price: int | None) -> None:
    """Every slot is like every other, so each gain is worked out by hand."""
    price = 2**52 // slots if price is None else price
    dear = 10**12 - 1
    snapshot = extreme(slots)
    check(snapshot)
    work = 512_000 * 10**6 * slots
    grid = 1 << (10 if slots == 8_784 else 18)
    unit = slots * price * grid // 10**9
    gains = [
        work - 10**12 * slots * price,  # a card does a millionth of an nP
        work - 10**3 * slots * price,  # a card does 1,000 nP
        0,  # there are not so many cards
        work - unit * 10**12 // grid,
        work - 10**6 * slots * price,  # a card for each gang
        dear - price,
        4_503 * dear - 4_503 * price,
    ]
    supply_side = 10**6 * slots * (max(0, price - dear) + price)
    expected = supply_side + sum(max(0, gain) for gain in gains)
    assert proven_bound(snapshot, (Shadow((1, 2), (price,) * slots),)) == expected


def test_an_offer_with_fewer_cards_than_a_lot_proves_nothing() -> None:
    """Two single cards, and one of a lot of three: nobody can have three, whatever they are worth."""
    snapshot = market([offer(1, cards=2), offer(2, cards=1, lot=3)], [request(amount=3, gangs=0)])
    result = clear(snapshot)
    verify(snapshot, result)
    assert result.bound.value == 0
