"""What holds for a request that is alone in the market."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import MICRO, Request, Snapshot, clear
from tests.engine.brute import best_priced
from tests.engine.effort import markets
from tests.engine.markets import ungrouped
from tests.engine.strategies import everything, snapshots, tiny


def alone(snapshot: Snapshot, position: int) -> Snapshot:
    """The market with one of its requests, and with the groups that this one is in."""
    asked = snapshot.requests[position % len(snapshot.requests)]
    return replace(
        snapshot,
        requests=(asked,),
        budgets=tuple(
            replace(each, requests=(asked.id,)) for each in snapshot.budgets if asked.id in each.requests
        ),
        choices=tuple(
            replace(each, requests=(asked.id,)) for each in snapshot.choices if asked.id in each.requests
        ),
        owner_caps=tuple(each for each in snapshot.owner_caps if each.buyer == asked.buyer),
    )


def with_limits_raised(snapshot: Snapshot, by: int) -> Snapshot:
    """The same, with every limit ``by`` micro-units higher."""
    return replace(snapshot, requests=tuple(_raised(each, by) for each in snapshot.requests))


def _raised(asked: Request, by: int) -> Request:
    higher = tuple(replace(each, limit=each.limit + by) for each in asked.alternatives)
    return replace(asked, alternatives=higher)


@given(everything(snapshots()) | snapshots(), st.integers(0, 7), st.integers(0, 30))
@markets(60)
def test_a_raised_limit_never_loses_the_match(snapshot: Snapshot, position: int, by: int) -> None:
    before = alone(snapshot, position)
    if clear(before).placements:
        assert clear(with_limits_raised(before, by)).placements


@given(tiny(requests=1) | snapshots(gangs_only=True, all_or_nothing=True, requests=1), st.integers(0, 7))
@markets(60)
def test_a_gang_gets_the_best_there_is(snapshot: Snapshot, position: int) -> None:
    """One gang, all or nothing, on one offer: the engine tries every one of them."""
    asked = snapshot.requests[position % len(snapshot.requests)]
    gang = tuple(replace(each, gangs=1, divisible=False, interruptible=False) for each in asked.alternatives)
    lone = replace(asked, least=MICRO, alternatives=gang)
    market = ungrouped(alone(replace(snapshot, requests=(lone,)), 0))
    assert clear(market).objective == best_priced(market) // MICRO
