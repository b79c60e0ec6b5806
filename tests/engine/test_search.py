"""What the search finds: work over several offers and runs, mixes that end well, groups seen in time."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from hypothesis import given, settings

from marketplace.engine import (
    MICRO,
    Budget,
    Choice,
    OwnerCap,
    Placement,
    Result,
    Snapshot,
    Unit,
    clear,
    verify,
)
from tests.engine.brute import best_priced
from tests.engine.effort import markets
from tests.engine.markets import market, money, offer, request, site
from tests.engine.strategies import tiny


def cleared(snapshot: Snapshot) -> Result:
    result = clear(snapshot)
    verify(snapshot, result)
    return result


def placed(snapshot: Snapshot) -> list[tuple[int, int, int, int, int]]:
    """Request, offer, cards, first slot and slots of each placement, by request, offer and slot."""
    return [_row(each) for each in cleared(snapshot).placements]


def _row(each: Placement) -> tuple[int, int, int, int, int]:
    return each.request, each.offer, each.cards, each.first_slot, each.slots


def work(identity: int = 1, *, slots: int, **terms: Any) -> Any:
    """Divisible work for two hours, of two cards at 20 an hour."""
    defaults = {"amount": 2, "duration": 2, "deadline": slots, "gangs": 0, "divisible": True}
    return request(identity, **{**defaults, **terms})


def test_divisible_work_is_spread_over_two_offers_where_none_has_enough() -> None:
    offers = [offer(1, cards=2, hours=2), offer(2, cards=2, hours=2)]
    snapshot = market(offers, [work(amount=3, slots=2)], slots=2)
    assert sum(cards * slots for _, _, cards, _, slots in placed(snapshot)) == 3 * 2
    assert {row[1] for row in placed(snapshot)} == {1, 2}


def test_work_that_may_pause_takes_the_hours_around_a_gap() -> None:
    offers = [offer(free=(2, 0, 2), asks=(money(10),) * 3)]
    assert placed(market(offers, [work(slots=3, interruptible=True)], slots=3)) == [
        (1, 1, 2, 0, 1),
        (1, 1, 2, 2, 1),
    ]
    assert not placed(market(offers, [work(slots=3)], slots=3))


def test_work_without_a_pause_goes_on_at_another_offer() -> None:
    offers = [offer(1, cards=2, hours=1), offer(2, cards=2, hours=1, first_slot=1)]
    assert placed(market(offers, [work(slots=2)], slots=2)) == [(1, 1, 2, 0, 1), (1, 2, 2, 1, 1)]


def test_a_budget_serves_what_it_can_pay_though_limits_together_exceed_it() -> None:
    """Each request may pay 640, and pays 320 where the price is the ask; the budget has 700."""
    asked = [request(1), request(2)]
    snapshot = market([offer(cards=16)], asked, budgets=(Budget(1, (1, 2), "CNY", money(700)),))
    assert {row[0] for row in placed(snapshot)} == {1, 2}


def test_no_price_rises_above_what_a_budget_can_pay() -> None:
    """A third buyer is refused at 15; without the budget the price would rise to what it would have paid."""
    asked = [request(1), request(2), request(3, limit=15)]
    budget = Budget(1, (1, 2), "CNY", money(700))
    free, bound = (cleared(market([offer(cards=16, hours=4)], asked, budgets=b)) for b in ((), (budget,)))
    assert max(row.price for row in free.prices) > money(700) // (16 * 4)
    assert sum(16 * row.price for row in bound.prices) <= money(700)
    assert {each.request for each in bound.placements} == {1, 2}


def test_a_choice_goes_to_the_better_request() -> None:
    asked = [request(1, limit=15), request(2, limit=30), request(3, limit=20)]
    snapshot = market([offer(cards=32)], asked, choices=(Choice(1, (1, 2, 3), 1),))
    assert {row[0] for row in placed(snapshot)} == {2}


def test_two_offers_of_a_site_share_its_power_and_another_site_does_the_rest() -> None:
    sites = [site(1, power_cap=(620,) * 4), site(2)]
    offers = [offer(1, cards=2), offer(2, cards=2), offer(3, cards=8, ask=12, site=2)]
    snapshot = market(
        [_for(each, 4) for each in offers],
        [request(amount=3, gangs=0, deadline=4)],
        sites=sites,
        slots=4,
    )
    cards = {row[1]: row[2] for row in placed(snapshot)}
    assert cards.pop(3) == 1
    assert sum(cards.values()) == 2


def test_a_cap_on_one_owner_sends_the_rest_to_another() -> None:
    sites = [site(1, owner=1), site(2, owner=2)]
    offers = [offer(1, ask=5), offer(2, ask=10, site=2)]
    asked = [request(amount=2, gangs=0)]
    snapshot = market(offers, asked, sites=sites, owner_caps=(OwnerCap(101, 1, 4),))
    assert [(row[1], row[2]) for row in placed(snapshot)] == [(1, 1), (2, 1)]


def test_the_last_piece_of_a_mix_is_a_small_card() -> None:
    """A large card does 2 nP for 20 an hour, a small one 0.8 nP for 12: 2.5 nP are one of each."""
    offers = [offer(1, model="h800", ask=20), offer(2, ask=12)]
    asked = [request(unit=Unit.NP, amount=2_500_000, limit=30, gangs=0)]
    assert [(row[1], row[2]) for row in placed(market(offers, asked))] == [(1, 1), (2, 1)]


def test_of_two_gangs_half_is_one_even_where_half_of_the_amount_is_more() -> None:
    asked = [request(unit=Unit.NP, amount=900_001, gangs=2, least=500_000, limit=30)]
    assert placed(market([offer(cards=1)], asked)) == [(1, 1, 1, 0, 4)]


def _for(each: Any, hours: int) -> Any:
    return offer(each.id, cards=each.free[0], ask=each.asks[0] / MICRO, hours=hours, site=each.site)


SHARE = 0.99


def test_tiny_markets_come_near_the_best_there_is() -> None:
    """On the whole: that each one is within the best is a property of its own (``test_promises``)."""
    shares = []

    @settings(markets(150), derandomize=True)
    @given(tiny())
    def look(snapshot: Snapshot) -> None:
        best = best_priced(snapshot) // MICRO
        if best > 0:
            shares.append(cleared(snapshot).objective / best)

    look()
    assert max(shares) <= 1
    assert fmean(shares) > SHARE
