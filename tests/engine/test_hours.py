"""Power that varies by the hour: what is asked of it is asked of every hour, and so carbon counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace.engine import (
    HOURLY_FORMAT,
    CodecError,
    Constraint,
    MalformedSnapshot,
    Outcome,
    Placement,
    QuoteBook,
    Request,
    ResultRefused,
    SiteHours,
    Snapshot,
    clear,
    quote,
    snapshot_bytes,
    snapshot_from_bytes,
    verify,
)
from tests.engine.markets import market, offer, request, site
from tests.engine.records import record

GREEN_AT_NOON = (700_000,) * 8 + (90_000,) * 6 + (700_000,) * 10
"""mg/kWh by slot: six green hours from slot 8."""


def hourly(*requests: Request, carbon: tuple[int, ...] = GREEN_AT_NOON, **changes: Any) -> Snapshot:
    hours = (SiteHours(1, (), carbon),)
    return market([offer(cards=8)], list(requests), format=HOURLY_FORMAT, site_hours=hours, **changes)


def runs(snapshot: Snapshot) -> list[tuple[int, int]]:
    result = clear(snapshot)
    verify(snapshot, result)
    return [(each.first_slot, each.slots) for each in result.placements]


@pytest.mark.parametrize("gangs", [0, 1, 2])
def test_every_slot_has_the_power_that_is_asked_for(gangs: int) -> None:
    ((first, slots),) = runs(hourly(request(gangs=gangs, duration=4, carbon=100_000)))
    assert 8 <= first <= first + slots <= 14


def test_work_that_may_pause_runs_in_green_hours_of_two_noons() -> None:
    two_noons = GREEN_AT_NOON[:14] + (90_000,) * 0 + (700_000,) * 4 + (90_000,) * 2 + (700_000,) * 4
    work = {"amount": 8, "duration": 8, "gangs": 0, "divisible": True, "carbon": 100_000}
    assert runs(hourly(request(**work, interruptible=True), carbon=two_noons)) == [(8, 6), (18, 2)]
    assert runs(hourly(request(**work, interruptible=False), carbon=two_noons)) == []


def test_a_renewable_share_is_asked_of_every_hour_too() -> None:
    hours = (SiteHours(1, (0,) * 20 + (900_000,) * 4, ()),)
    asked = request(duration=4, renewable_share=800_000)
    assert runs(market(None, [asked], format=HOURLY_FORMAT, site_hours=hours)) == [(20, 4)]


def test_share_and_carbon_are_asked_of_the_same_hours() -> None:
    hours = (SiteHours(1, (900_000,) * 12 + (0,) * 12, GREEN_AT_NOON),)
    asked = request(duration=4, renewable_share=800_000, carbon=100_000)
    assert runs(market(None, [asked], format=HOURLY_FORMAT, site_hours=hours)) == [(8, 4)]


def test_with_a_carbon_price_what_may_wait_runs_in_green_hours() -> None:
    early = hourly(request(duration=4, limit=50))
    assert runs(replace(early, carbon_price=10_000_000))[0] == (8, 4)


def test_so_it_does_at_another_site_in_the_same_hours() -> None:
    """In space as in time: one site is green in the morning, the other in the evening."""
    sites = [site(1), site(2)]
    hours = (
        SiteHours(1, (), (100_000,) * 12 + (800_000,) * 12),
        SiteHours(2, (), (800_000,) * 12 + (100_000,) * 12),
    )
    snapshot = market(
        [offer(1, site=1), offer(2, site=2)],
        [
            request(1, duration=4, earliest=0, deadline=8, limit=50),
            request(2, duration=4, earliest=14, limit=50),
        ],
        sites=sites,
        format=HOURLY_FORMAT,
        site_hours=hours,
        carbon_price=10_000_000,
    )
    placed = {each.request: each.offer for each in clear(snapshot).placements}
    assert placed == {1: 1, 2: 2}


def test_a_dirty_hour_is_refused() -> None:
    snapshot = hourly(request(duration=4, carbon=100_000))
    for first in (7, 11):
        with pytest.raises(ResultRefused, match=f"carbon is not met in slot {7 if first == 7 else 14}"):
            verify(snapshot, record(snapshot, Placement(1, 0, 1, first, 4, 8)))
    verify(snapshot, record(snapshot, Placement(1, 0, 1, 10, 4, 8)))


def test_who_asks_for_longer_than_it_is_green_is_told_carbon_and_what_would_do() -> None:
    snapshot = hourly(request(duration=8, carbon=100_000))
    (told,) = clear(snapshot).explanations
    assert (told.outcome, told.binding) == (Outcome.UNMATCHED, Constraint.CARBON)
    assert told.funnels[0].removed == ((Constraint.CARBON, 1),)
    assert told.remedy is not None
    assert (told.remedy.constraint, told.remedy.value) == (Constraint.CARBON, 700_000)


def test_a_quote_is_of_hours_with_the_power_asked_for() -> None:
    snapshot = hourly()
    book = QuoteBook(replace(snapshot, requests=()), ())
    (short,) = quote(book, request(duration=4, carbon=100_000))
    (long,) = quote(book, request(duration=8, carbon=100_000))
    assert short.cost is not None
    assert 8 <= short.cost.first_slot <= 10
    assert long.cost is None


def test_bytes_of_a_flat_market_are_those_of_format_2() -> None:
    flat, varying = snapshot_bytes(market()), snapshot_bytes(hourly(request()))
    assert b"site_hours" not in flat
    assert snapshot_from_bytes(flat) == market()
    assert snapshot_from_bytes(varying) == snapshot_from_bytes(snapshot_bytes(hourly(request())))
    with pytest.raises(CodecError, match="canonical"):
        snapshot_from_bytes(flat[:-1] + b',"site_hours":[]}')


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 2}, "snapshot format: 2 is not 3"),
        ({"site_hours": ()}, "snapshot format: 3 is not 2"),
        ({"site_hours": (SiteHours(9, (), GREEN_AT_NOON),)}, "9 is unknown"),
        ({"site_hours": (SiteHours(1, (), (1,)),)}, "1 entries for a horizon of 24 slots"),
        ({"site_hours": (SiteHours(1, (), ()),)}, "nothing varies by the hour"),
        ({"site_hours": (SiteHours(1, (2_000_000,) * 24, ()),)}, "renewable_share: 2000000 is not between"),
        ({"site_hours": (SiteHours(1, (), (-1,) * 24),)}, "carbon: -1 is not between"),
        ({"site_hours": (SiteHours(1, (), GREEN_AT_NOON),) * 2}, "appears more than once"),
    ],
)
def test_hours_that_make_no_sense_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(MalformedSnapshot, match=problem):
        clear(replace(hourly(request()), **changes))
