"""What every run promises to everybody, on random markets."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.engine import (
    Outcome,
    Snapshot,
    clear,
    result_bytes,
    snapshot_bytes,
    snapshot_from_bytes,
    verify,
)
from tests.engine.markets import shuffled
from tests.engine.oracle import Oracle
from tests.engine.strategies import crowds, snapshots

many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(snapshots())
@many
def test_every_result_is_verified(snapshot: Snapshot) -> None:
    verify(snapshot, clear(snapshot))


@given(crowds())
@many
def test_every_result_is_verified_where_prices_press_on_limits(snapshot: Snapshot) -> None:
    verify(snapshot, clear(snapshot))


@given(snapshots(gangs_only=True, all_or_nothing=True) | crowds(gangs_only=True, partial=False))
@many
def test_gangs_are_placed_as_the_slow_engine_places_them(snapshot: Snapshot) -> None:
    assert list(clear(snapshot).placements) == Oracle(snapshot).run()


@given(snapshots(), st.integers(0, 10**6))
@some
def test_the_order_of_rows_changes_not_a_byte(snapshot: Snapshot, seed: int) -> None:
    other = shuffled(snapshot, seed)
    assert snapshot_bytes(other) == snapshot_bytes(snapshot)
    assert result_bytes(clear(other)) == result_bytes(clear(snapshot))


@given(snapshots())
@some
def test_a_downloaded_snapshot_replays_to_the_same_bytes(snapshot: Snapshot) -> None:
    downloaded = snapshot_from_bytes(snapshot_bytes(snapshot))
    assert result_bytes(clear(downloaded)) == result_bytes(clear(snapshot))


@given(snapshots())
@some
def test_surplus_is_never_negative_and_every_buyer_keeps_its_part(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    assert result.surplus >= 0
    matched = {each.request for each in result.explanations if each.outcome is not Outcome.UNMATCHED}
    assert matched == {placement.request for placement in result.placements}


@given(snapshots())
@some
def test_every_price_is_an_accepted_ask_that_nobody_undercuts(snapshot: Snapshot) -> None:
    """One price a product and slot: each owner that sells there asked for no more."""
    result = clear(snapshot)
    offers = {each.id: each for each in snapshot.offers}
    sites = {each.id: each for each in snapshot.sites}
    asks: dict[tuple[str, str, str, int], set[int]] = defaultdict(set)
    for placement in result.placements:
        offer = offers[placement.offer]
        site = sites[offer.site]
        for slot in range(placement.first_slot, placement.first_slot + placement.slots):
            asks[offer.model, site.zone, site.currency, slot].add(offer.asks[slot - offer.first_slot])
    prices = {(p.model, p.zone, p.currency, p.slot): p.price for p in result.prices}
    assert prices == {key: max(values) for key, values in asks.items()}


@given(snapshots())
@some
def test_funnels_leave_no_offer_uncounted(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    used = Counter((each.request, each.alternative) for each in result.placements)
    for explanation in result.explanations:
        for funnel in explanation.funnels:
            left = funnel.offers - sum(count for _, count in funnel.removed)
            assert left >= used[explanation.request, funnel.alternative]
