"""What every run promises to everybody, on random markets."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import (
    MICRO,
    Outcome,
    Snapshot,
    clear,
    result_bytes,
    snapshot_bytes,
    snapshot_from_bytes,
    verify,
)
from tests.engine.brute import Product, Tiny, best_priced, optimum
from tests.engine.effort import markets
from tests.engine.markets import shuffled
from tests.engine.strategies import crowds, everything, snapshots, tiny, with_hours


@given(snapshots() | tiny() | with_hours(everything(snapshots())))
@markets(200)
def test_every_result_is_verified(snapshot: Snapshot) -> None:
    verify(snapshot, clear(snapshot))


@given(crowds())
@markets(200)
def test_every_result_is_verified_where_prices_press_on_limits(snapshot: Snapshot) -> None:
    verify(snapshot, clear(snapshot))


@given(with_hours(tiny()) | snapshots(gangs_only=True, all_or_nothing=True, requests=4))
@markets(60)
def test_no_placement_beats_the_best_one_and_none_beats_the_bound(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    best, best_with_prices = optimum(snapshot) // MICRO, best_priced(snapshot) // MICRO
    assert 0 <= result.objective <= best_with_prices <= best <= result.bound.value


@given(snapshots() | with_hours(everything(snapshots())), st.integers(0, 10**6))
@markets(60)
def test_the_order_of_rows_changes_not_a_byte(snapshot: Snapshot, seed: int) -> None:
    other = shuffled(snapshot, seed)
    assert snapshot_bytes(other) == snapshot_bytes(snapshot)
    assert result_bytes(clear(other)) == result_bytes(clear(snapshot))


@given(snapshots())
@markets(60)
def test_a_downloaded_snapshot_replays_to_the_same_bytes(snapshot: Snapshot) -> None:
    downloaded = snapshot_from_bytes(snapshot_bytes(snapshot))
    assert result_bytes(clear(downloaded)) == result_bytes(clear(snapshot))


@given(snapshots())
@markets(60)
def test_surplus_is_never_negative_and_every_buyer_keeps_its_part(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    assert result.surplus >= 0
    matched = {each.request for each in result.explanations if each.outcome is not Outcome.UNMATCHED}
    assert matched == {placement.request for placement in result.placements}


@given(snapshots() | crowds())
@markets(60)
def test_every_price_is_between_what_owners_ask_and_what_buyers_bear(snapshot: Snapshot) -> None:
    """One price a product and slot, for all who sell and all who buy there."""
    result, plain = clear(snapshot), Tiny(snapshot)
    prices = {((row.model, row.zone, row.currency), row.slot): row.price for row in result.prices}
    assert len(prices) == len(result.prices)
    sold, paid = set(), Counter[int]()
    for placement in result.placements:
        offer = plain.offer(placement)
        for slot in range(placement.first_slot, placement.first_slot + placement.slots):
            price = prices[plain.product(offer), slot]
            assert price >= offer.asks[slot - offer.first_slot]
            paid[placement.request] += placement.cards * price * plain.base(plain.currency(offer))
            sold.add((plain.product(offer), slot))
    assert sold == prices.keys()
    for request in snapshot.requests:
        fill = tuple(each for each in result.placements if each.request == request.id)
        assert not fill or paid[request.id] <= plain.worth(request, plain.wanted(fill[0]), fill)


@given(everything(snapshots()) | crowds())
@markets(60)
def test_what_buyers_pay_is_what_owners_receive(snapshot: Snapshot) -> None:
    """In each currency. Buyers pay by request, for the placements that they got; owners receive by slot, for
    the cards that an offer sold."""
    result, plain = clear(snapshot), Tiny(snapshot)
    prices = {((row.model, row.zone, row.currency), row.slot): row.price for row in result.prices}
    paid, sold, received = Counter[str](), Counter[tuple[int, int]](), Counter[str]()
    for placement in result.placements:
        product = plain.product(plain.offer(placement))
        slots = range(placement.first_slot, placement.first_slot + placement.slots)
        paid[product[2]] += placement.cards * sum(prices[product, slot] for slot in slots)
        sold.update({(placement.offer, slot): placement.cards for slot in slots})
    for offer in snapshot.offers:
        product = plain.product(offer)
        for slot in range(snapshot.slots):
            received[product[2]] += sold[offer.id, slot] * prices.get((product, slot), 0)
    assert +paid == +received
    totals = {each.offer: each.sold for each in result.offers}
    assert totals == {
        each.id: sum(sold[each.id, t] for t in range(snapshot.slots)) for each in snapshot.offers
    }


@given(snapshots() | crowds())
@markets(60)
def test_no_price_above_the_highest_ask_is_above_the_shadow_price(snapshot: Snapshot) -> None:
    result, plain = clear(snapshot), Tiny(snapshot)
    offers = {each.id: each for each in snapshot.offers}
    highest: dict[tuple[Product, int], int] = defaultdict(int)
    for placement in result.placements:
        offer = offers[placement.offer]
        for slot in range(placement.first_slot, placement.first_slot + placement.slots):
            key = plain.product(offer), slot
            highest[key] = max(highest[key], offer.asks[slot - offer.first_slot])
    for shadow in result.bound.shadows:
        product = plain.product(offers[shadow.offers[0]])
        for slot, price in enumerate(shadow.prices):
            converted = price * MICRO // plain.base(product[2])
            highest[product, slot] = max(highest[product, slot], converted)
    assert all(row.price <= highest[(row.model, row.zone, row.currency), row.slot] for row in result.prices)


@given(snapshots())
@markets(60)
def test_funnels_leave_no_offer_uncounted(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    used = Counter((each.request, each.alternative) for each in result.placements)
    for explanation in result.explanations:
        for funnel in explanation.funnels:
            left = funnel.offers - sum(count for _, count in funnel.removed)
            assert left >= used[explanation.request, funnel.alternative]
