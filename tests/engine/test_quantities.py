"""Lots, gangs, splits, partial fills and normalised amounts."""

from __future__ import annotations

import pytest

from marketplace.engine import MICRO, Offer, Outcome, Result, Snapshot, Unit, clear, verify
from tests.engine.markets import alternative, market, money, offer, request, site


def sold(snapshot: Snapshot) -> dict[int, int]:
    """Cards by offer, of a result that was verified."""
    result = clear(snapshot)
    verify(snapshot, result)
    return {each.offer: each.cards for each in result.placements}


def outcome(result: Result) -> Outcome:
    return result.explanations[0].outcome


def test_cards_are_sold_in_whole_lots() -> None:
    assert sold(market([offer(lot=4)], [request(amount=5, limit=20)])) == {1: 8}


@pytest.mark.parametrize(("limit", "cards"), [(16, {1: 8}), (15.99, {})])
def test_the_rest_of_a_lot_is_paid_out_of_the_limit_for_what_was_asked(
    limit: float, cards: dict[int, int]
) -> None:
    """Eight cards at 10 are 80 an hour; five cards are worth that at 16 each, and not below."""
    assert sold(market([offer(lot=4, ask=10)], [request(amount=5, limit=limit)])) == cards


def test_a_gang_needs_one_offer_with_all_cards() -> None:
    offers = [offer(1, cards=4), offer(2, cards=4)]
    assert sold(market(offers, [request(amount=8, gangs=1)])) == {}
    assert sold(market(offers, [request(amount=8, gangs=0)])) == {1: 4, 2: 4}


def test_a_gang_passes_by_a_cheaper_offer_that_is_too_small() -> None:
    offers = [offer(1, cards=7, ask=5), offer(2, cards=8, ask=15)]
    assert sold(market(offers, [request(amount=8)])) == {2: 8}


def test_a_split_is_filled_from_the_cheapest_upwards() -> None:
    offers = [offer(1, cards=8, ask=12), offer(2, cards=5, ask=10), offer(3, cards=2, ask=11)]
    assert sold(market(offers, [request(amount=8, gangs=0)])) == {1: 1, 2: 5, 3: 2}


def test_all_cards_of_a_split_pay_the_dearest_ask_among_them() -> None:
    """Four at 10 and four at 12 are 96 an hour: within eight at 12, but not at 11.99."""
    offers = [offer(1, cards=4, ask=10), offer(2, cards=4, ask=12)]
    assert sold(market(offers, [request(amount=8, gangs=0, limit=12)])) == {1: 4, 2: 4}
    assert sold(market(offers, [request(amount=8, gangs=0, limit=11.99)])) == {}


def test_a_split_over_two_products_pays_each_its_own_price() -> None:
    offers = [offer(1, cards=4, ask=10), offer(2, cards=4, ask=12, model="h800")]
    result = clear(market(offers, [request(amount=8, gangs=0, limit=12)]))
    assert {(row.model, row.price) for row in result.prices} == {
        ("ascend-910b", money(10)),
        ("h800", money(12)),
    }


def test_the_parts_of_a_split_run_in_the_same_slots() -> None:
    """Each offer has its own cheap hours; the parts meet where both are free."""
    early = offer(1, cards=4, hours=10)
    late = offer(2, cards=4, hours=18, first_slot=6)
    result = clear(market([early, late], [request(amount=8, gangs=0, duration=4)]))
    assert {each.first_slot for each in result.placements} == {6}


def test_a_split_gives_back_lots_that_a_bigger_lot_made_idle() -> None:
    """Two single cards at 10, then a lot of eight at 11: the lot alone is enough for five."""
    offers = [offer(1, cards=2, ask=10), offer(2, cards=8, ask=11, lot=8)]
    assert sold(market(offers, [request(amount=5, gangs=0, limit=30)])) == {2: 8}


def _day_and_night(hours: int) -> list[Offer]:
    """Two offers of four cards that cost 2 and 10 in turn, one when the other costs 10: together
    they cost 10 all the time."""
    turns = (money(2), money(10)) * (hours // 2)
    return [
        offer(1, free=(4,) * hours, asks=turns),
        offer(2, free=(4,) * hours, asks=turns[::-1]),
    ]


def test_the_owners_that_ask_least_are_taken_even_if_they_raise_each_others_price() -> None:
    """Two hours of eight cards: the two offers ask 96 for them and are paid 160, the one at 7 asks 112."""
    offers = [*_day_and_night(2), offer(3, hours=2, ask=7)]
    assert sold(market(offers, [request(gangs=0, duration=2, limit=30)])) == {1: 4, 2: 4}


def test_another_product_may_cost_less_than_more_of_the_same() -> None:
    """At 8 a card-hour the two offers together are too dear, but one of them goes with H800 at 7."""
    offers = [*_day_and_night(2), offer(3, cards=4, hours=2, ask=7, model="h800")]
    result = sold(market(offers, [request(gangs=0, duration=2, limit=8)]))
    assert result in ({1: 4, 3: 4}, {2: 4, 3: 4})


def test_one_offer_is_found_behind_many_hours_in_which_a_mix_only_looks_cheap() -> None:
    offers = [*_day_and_night(60), offer(3, first_slot=58, hours=2, ask=7.9)]
    snapshot = market(offers, [request(gangs=0, duration=2, limit=8, deadline=60)], slots=60)
    assert sold(snapshot) == {3: 8}


def test_a_gang_takes_what_there_is_if_a_part_is_enough() -> None:
    asked = request(amount=8, least=500_000)
    snapshot = market([offer(1, cards=6)], [asked])
    assert sold(snapshot) == {1: 6}
    assert outcome(clear(snapshot)) is Outcome.PARTLY


def test_less_than_the_least_is_not_sold() -> None:
    assert sold(market([offer(1, cards=3)], [request(amount=8, least=500_000)])) == {}
    assert sold(market([offer(1, cards=4)], [request(amount=8, least=500_000)])) == {1: 4}


def test_a_better_part_goes_before_a_fuller_fill() -> None:
    """Four cards at 1 gain 76 an hour, eight at 19 gain 8."""
    offers = [offer(1, cards=4, ask=1), offer(2, cards=8, ask=19)]
    assert sold(market(offers, [request(amount=8, least=500_000)])) == {1: 4}


def test_a_fuller_fill_goes_before_a_part_that_gains_less() -> None:
    """Four cards at 11 gain 36 an hour, eight at 15 gain 40."""
    offers = [offer(1, cards=4, ask=11), offer(2, cards=8, ask=15)]
    assert sold(market(offers, [request(amount=8, least=500_000)])) == {2: 8}


def test_a_split_is_cut_where_it_would_leave_the_limit() -> None:
    """The fifth card would raise the price of all to 19, over the limit of 15."""
    offers = [offer(1, cards=4, ask=10), offer(2, cards=8, ask=19)]
    assert sold(market(offers, [request(amount=8, gangs=0, limit=15, least=500_000)])) == {1: 4}


def test_normalised_work_becomes_cards_at_the_point_rate() -> None:
    """6.4 nP are eight cards of 0.8 nP, or four of 2 nP (3.2 rounded up)."""
    asked = request(unit=Unit.NP, amount=6_400_000, limit=100)
    assert sold(market([offer(cards=16)], [asked])) == {1: 8}
    assert sold(market([offer(cards=16, model="h800")], [asked])) == {1: 4}


def test_a_careful_buyer_counts_at_the_lower_bound() -> None:
    """6.4 nP are eleven cards of at least 0.6 nP."""
    asked = request(unit=Unit.NP, amount=6_400_000, limit=100, careful=True)
    assert sold(market([offer(cards=16)], [asked])) == {1: 11}


@pytest.mark.parametrize(("limit", "matched"), [(12.5, True), (12.49, False)])
def test_the_limit_of_normalised_work_is_per_unit_asked_for(limit: float, matched: bool) -> None:
    """Four H800 at 20 are 80 an hour for 6.4 nP, though they could do eight: 12.5 per nP."""
    asked = request(unit=Unit.NP, amount=6_400_000, limit=limit)
    snapshot = market([offer(ask=20, model="h800")], [asked])
    assert bool(sold(snapshot)) is matched


def test_cheap_cards_may_be_dear_work() -> None:
    """910B at 10 is 12.5 per nP; H800 at 20 is 10 per nP and is taken."""
    offers = [offer(1, cards=40, ask=10), offer(2, cards=40, ask=20, model="h800")]
    asked = request(unit=Unit.NP, amount=8_000_000, limit=30, gangs=0)
    assert sold(market(offers, [asked])) == {2: 4}


def test_cards_that_come_and_go_are_sold_only_where_they_stay() -> None:
    free = (8, 8, 8, 0, 8, 8, 8, 8, *([0] * 16))
    result = clear(market([offer(free=free)], [request(duration=4)]))
    assert [each.first_slot for each in result.placements] == [4]


def test_two_requests_share_an_offer_until_it_is_empty() -> None:
    asked = [request(n, amount=4, duration=24) for n in (1, 2, 3)]
    result = clear(market([offer(cards=8)], asked))
    assert [each.request for each in result.placements] == [1, 2]
    assert (result.offers[0].free, result.offers[0].sold) == (8 * 24, 8 * 24)


@pytest.mark.parametrize(("ask", "chosen"), [(19, {1: 4}), (4, {2: 8})])
def test_of_a_part_and_a_full_alternative_the_one_with_the_larger_surplus_goes(
    ask: int, chosen: dict[int, int]
) -> None:
    """Four 910B gain 4 x 24 = 96 an hour; eight H800 gain 8 x 1 = 8 at an ask of 19, and 128 at 4."""
    asked = request(
        1,
        alternative(0, models=("ascend-910b",), amount=8, limit=25),
        alternative(1, models=("h800",), amount=8, limit=20),
        least=100_000,
    )
    snapshot = market([offer(1, cards=4, ask=1), offer(2, ask=ask, model="h800")], [asked])
    assert sold(snapshot) == chosen


def test_a_split_crosses_sites_and_zones() -> None:
    offers = [offer(1, cards=4), offer(2, cards=4, site=2)]
    snapshot = market(
        offers,
        [request(amount=8, gangs=0, least=MICRO)],
        sites=[site(1), site(2, zone="cn-east")],
    )
    assert sold(snapshot) == {1: 4, 2: 4}


def test_divisible_work_that_is_done_in_full_is_matched() -> None:
    """Two cards for two hours are done by four cards in one hour."""
    asked = request(amount=2, duration=2, gangs=0, divisible=True, least=1)
    snapshot = market([offer(cards=4, hours=1)], [asked])
    assert sold(snapshot) == {1: 4}
    assert outcome(clear(snapshot)) is Outcome.MATCHED
