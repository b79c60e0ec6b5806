"""What is said to have matched, or to have sold, would have: by the rules, beside all that was placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given

from marketplace.engine import (
    MICRO,
    Budget,
    Choice,
    Constraint,
    Explanation,
    LowerAsk,
    Outcome,
    OwnerCap,
    Remedy,
    Request,
    Result,
    Snapshot,
    Unit,
    change,
    clear,
)
from tests.engine.brute import Fill, Tiny
from tests.engine.effort import markets
from tests.engine.markets import market, money, offer, request, site
from tests.engine.strategies import crowds, snapshots, tiny


@given(tiny())
@markets(200)
def test_a_remedied_request_finds_a_place_beside_all_others(snapshot: Snapshot) -> None:
    """With every rule there is: cards, everybody's limits, budgets, choices and caps."""
    result = clear(snapshot)
    for explanation in result.explanations:
        if explanation.remedy is not None:
            changed = _remedied(snapshot, explanation.request, explanation.remedy)
            asked = next(each for each in changed.requests if each.id == explanation.request)
            assert any(_fits(changed, result, fill) for fill in _ways(changed, asked)), explanation


@given(tiny() | snapshots(requests=4))
@markets(200)
def test_at_its_lower_ask_an_offer_sells_what_is_said_beside_all_others(snapshot: Snapshot) -> None:
    result = clear(snapshot)
    for outcome in result.offers:
        if outcome.remedy is not None:
            changed = _asking(snapshot, outcome.offer, outcome.remedy.ask)
            sales = [fill for fill in _sales(changed, result, outcome.offer) if _fits(changed, result, fill)]
            assert outcome.remedy.card_hours in map(_card_hours, sales)


@given(snapshots(requests=4) | crowds())
@markets(100)
def test_at_its_lower_ask_an_offer_alone_sells_that_much_to_somebody_refused(snapshot: Snapshot) -> None:
    """A part may be worth as much to the buyer as the whole that is told, so both are asked for."""
    result = clear(snapshot)
    refused = [each.request for each in result.explanations if each.outcome is Outcome.UNMATCHED]
    for outcome in result.offers:
        if outcome.remedy is not None:
            changed = _asking(snapshot, outcome.offer, outcome.remedy.ask)
            alone = _left_of(changed, result, outcome.offer)
            sold = [
                clear(replace(alone, requests=(asked,))).offers[0].sold
                for each in snapshot.requests
                for asked in (each, replace(each, least=MICRO))
                if each.id in refused
            ]
            assert max(sold) >= outcome.remedy.card_hours


@given(snapshots(requests=4))
@markets(100)
def test_where_nothing_was_sold_no_higher_ask_sells_anything(snapshot: Snapshot) -> None:
    result = clear(replace(snapshot, requests=tuple(_undivided(each) for each in snapshot.requests)))
    if result.placements:
        return
    for outcome in result.offers:
        highest = max(next(each for each in snapshot.offers if each.id == outcome.offer).asks)
        more = outcome.remedy.ask + 1 if outcome.remedy is not None else 1
        if more < highest:
            changed = _asking(snapshot, outcome.offer, more)
            assert not any(_fits(changed, result, fill) for fill in _sales(changed, result, outcome.offer))


def _undivided(asked: Request) -> Request:
    return replace(
        asked,
        alternatives=tuple(
            replace(each, divisible=False, interruptible=False) for each in asked.alternatives
        ),
    )


def _remedied(snapshot: Snapshot, identity: int, remedy: Remedy) -> Snapshot:
    """The market with that request as the remedy would have it, in the alternative that it is for."""

    def changed(asked: Request) -> Request:
        wanted = next(each for each in asked.alternatives if each.position == remedy.alternative)
        return replace(asked, alternatives=(change(wanted, remedy.constraint, remedy.value),))

    requests = tuple(changed(each) if each.id == identity else each for each in snapshot.requests)
    return replace(snapshot, requests=requests)


def _ways(snapshot: Snapshot, asked: Request) -> Iterator[Fill]:
    for wanted in asked.alternatives:
        yield from Tiny(snapshot).fills(asked, wanted)


def _fits(snapshot: Snapshot, result: Result, fill: Fill) -> bool:
    """Whether prices exist with the fill, and nothing is sold twice or breaks a group."""
    placed = [*result.placements, *fill]
    return Tiny(snapshot).possible(placed) and Tiny(snapshot).affordable(placed)


def _asking(snapshot: Snapshot, identity: int, ask: int) -> Snapshot:
    """The market with a flat ask for one offer."""
    return replace(
        snapshot,
        offers=tuple(
            replace(each, asks=(ask,) * len(each.asks)) if each.id == identity else each
            for each in snapshot.offers
        ),
    )


def _sales(snapshot: Snapshot, result: Result, identity: int) -> Iterator[Fill]:
    """All that one offer could sell to somebody who was refused."""
    alone = replace(snapshot, offers=tuple(each for each in snapshot.offers if each.id == identity))
    refused = {each.request for each in result.explanations if each.outcome is Outcome.UNMATCHED}
    for asked in snapshot.requests:
        if asked.id in refused:
            yield from _ways(alone, asked)


def _card_hours(fill: Fill) -> int:
    return sum(each.cards * each.slots for each in fill)


def _left_of(snapshot: Snapshot, result: Result, identity: int) -> Snapshot:
    """The market with nothing but what is left of one offer."""
    only = next(each for each in snapshot.offers if each.id == identity)
    free = list(only.free)
    for each in result.placements:
        if each.offer == identity:
            for slot in range(each.first_slot, each.first_slot + each.slots):
                free[slot - only.first_slot] -= each.cards
    return replace(snapshot, offers=(replace(only, free=tuple(free)),))


# Several gangs and divisible work


def explained(snapshot: Snapshot, identity: int = 1) -> Explanation:
    return next(each for each in clear(snapshot).explanations if each.request == identity)


def test_the_limit_of_several_gangs_is_that_of_all_of_them() -> None:
    """Two gangs of eight in lots of three: eighteen cards at 10 for sixteen asked."""
    explanation = explained(market([offer(cards=20, lot=3)], [request(amount=16, gangs=2, limit=10)]))
    assert explanation.remedy == Remedy(0, Constraint.LIMIT, money(11.25))


def test_the_limit_of_the_gangs_that_are_enough() -> None:
    explanation = explained(market([offer(cards=8)], [request(amount=16, gangs=2, limit=9, least=500_000)]))
    assert explanation.remedy == Remedy(0, Constraint.LIMIT, money(10))


def test_cards_that_hurt_others_in_some_hours_are_had_in_others() -> None:
    """The first buyer bears no more than 10 in its four hours; the next hours are nobody's. Who must
    be done an hour earlier is not helped by any limit."""
    offers = [offer(1, cards=8, ask=10, hours=4), offer(2, cards=8, ask=12, hours=8)]
    snapshot = market(offers, [request(1, limit=10, deadline=4), request(2, limit=9, deadline=8)])
    assert explained(snapshot, 2).remedy == Remedy(0, Constraint.LIMIT, money(12))
    earlier = request(2, limit=9, deadline=7)
    snapshot = replace(snapshot, requests=(snapshot.requests[0], earlier))
    assert explained(snapshot, 2).remedy is None


def test_cards_at_the_price_that_stands_hurt_nobody() -> None:
    """The first buyer bears no more than the 10 that it pays."""
    snapshot = market([offer(cards=12, hours=4)], [request(1, limit=10), request(2, amount=4, limit=9)])
    assert explained(snapshot, 2).remedy == Remedy(0, Constraint.LIMIT, money(10))


def test_the_deadline_of_several_gangs() -> None:
    asked = request(amount=16, gangs=2, deadline=6)
    explanation = explained(market([offer(cards=16, first_slot=5, hours=19)], [asked]))
    assert explanation.remedy == Remedy(0, Constraint.WINDOW, 9)


def test_the_limit_of_divisible_work_is_for_a_card_hour() -> None:
    asked = request(amount=8, gangs=0, divisible=True, limit=9)
    assert explained(market(requests=[asked])).remedy == Remedy(0, Constraint.LIMIT, money(10))


WORK = {"amount": 8, "gangs": 0, "divisible": True}
"""Thirty-two card-hours within a day."""


def test_the_limit_of_work_that_no_offer_could_do_alone() -> None:
    """Sixteen card-hours at 10 and as many at 12, which is the price of both."""
    offers = [offer(1, cards=4, hours=4), offer(2, cards=4, hours=4, ask=12)]
    explanation = explained(market(offers, [request(limit=9, **WORK)]))
    assert explanation.remedy == Remedy(0, Constraint.LIMIT, money(12))


def test_the_limit_of_work_that_pauses_from_offer_to_offer() -> None:
    offers = [offer(1, hours=2), offer(2, hours=2, first_slot=10)]
    asked = request(limit=9, interruptible=True, **WORK)
    assert explained(market(offers, [asked])).remedy == Remedy(0, Constraint.LIMIT, money(10))
    without_pause = request(limit=10, **WORK)
    assert explained(market(offers, [without_pause])).remedy == Remedy(0, Constraint.CAPACITY, 4)


def test_the_part_of_the_work_that_several_offers_could_do() -> None:
    """Twelve card-hours at each of two offers are six cards for four hours."""
    offers = [offer(1, cards=3, hours=4), offer(2, cards=3, hours=4)]
    assert explained(market(offers, [request(**WORK)])).remedy == Remedy(0, Constraint.CAPACITY, 6)


def test_the_deadline_by_which_several_offers_do_the_work() -> None:
    offers = [offer(1, cards=4, hours=8, first_slot=8), offer(2, cards=4, hours=8, first_slot=8)]
    explanation = explained(market(offers, [request(deadline=8, **WORK)]))
    assert explanation.remedy == Remedy(0, Constraint.WINDOW, 12)


def test_several_gangs_at_several_offers() -> None:
    offers = [offer(1, cards=8), offer(2, cards=8, ask=12)]
    explanation = explained(market(offers, [request(amount=16, gangs=2, limit=9)]))
    assert explanation.remedy == Remedy(0, Constraint.LIMIT, money(12))


def test_a_constraint_in_the_way_of_divisible_work() -> None:
    asked = request(amount=8, gangs=0, divisible=True, interruptible=True, notice=48)
    assert explained(market(requests=[asked])).remedy == Remedy(0, Constraint.NOTICE, 24)


def test_emissions_count_before_a_limit_would_do() -> None:
    """310 W at 400 g/kWh and 1 a kg are 0.124 an hour beside the ask of 10."""
    snapshot = market(requests=[request(limit=9)], carbon_price=money(1))
    assert explained(snapshot).remedy == Remedy(0, Constraint.LIMIT, money(10.124))


# What several orders share


def _two(**terms: object) -> Snapshot:
    """Room for two like orders, of which the second may not have it."""
    snapshot = market([offer(cards=16)], [request(1, limit=30), request(2)])
    return replace(snapshot, **terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "constraint"),
    [
        ({"choices": (Choice(1, (1, 2), 1),)}, Constraint.CHOICE),
        ({"budgets": (Budget(1, (2,), "CNY", money(100)),)}, Constraint.BUDGET),
        ({"owner_caps": (OwnerCap(102, 1, 31),)}, Constraint.OWNER_CAP),
        ({"sites": (site(power_cap=(310 * 8,) * 4 + (0,) * 20),)}, Constraint.POWER),
    ],
)
def test_what_is_shared_and_too_little_is_named(terms: dict[str, object], constraint: Constraint) -> None:
    explanation = explained(_two(**terms), 2)
    assert (explanation.outcome, explanation.binding) == (Outcome.UNMATCHED, constraint)
    assert explanation.remedy is None


def test_a_higher_limit_is_no_remedy_where_a_choice_is_used_up() -> None:
    snapshot = market(
        [offer(cards=16)], [request(1, limit=30), request(2, limit=9)], choices=(Choice(1, (1, 2), 1),)
    )
    assert explained(snapshot, 2).remedy is None


# Lower asks


def lower_ask(snapshot: Snapshot, identity: int = 1) -> LowerAsk | None:
    return next(each.remedy for each in clear(snapshot).offers if each.offer == identity)


def test_no_ask_is_no_lower_ask() -> None:
    """Somebody who can pay nothing, and somebody whose price of nothing may not rise."""
    assert lower_ask(market([offer(ask=10)], [request(limit=0)])) is None
    offers = [offer(1, ask=10), offer(2, ask=0, cards=8)]
    assert lower_ask(market(offers, [request(1, amount=8, limit=0), request(2, amount=8, limit=4)])) is None


def test_the_lower_ask_is_what_the_refused_buyer_bears() -> None:
    assert lower_ask(market([offer(ask=10)], [request(limit=9)])) == LowerAsk(money(9), 32)


def test_it_counts_the_lot_that_the_buyer_does_not_need() -> None:
    """Five cards' worth of 9 for eight cards: 5.625."""
    assert lower_ask(market([offer(lot=4, ask=10)], [request(amount=5, limit=9)])) == LowerAsk(
        money(5.625), 32
    )


def test_it_is_in_the_currency_of_the_offer() -> None:
    """1.25 dollars at 7.2 are 9 yuan."""
    asked = request(limit=1.25, currency="USD")
    assert lower_ask(market([offer(ask=10)], [asked])) == LowerAsk(money(9), 32)


def test_the_request_that_bears_most_is_named() -> None:
    snapshot = market([offer(ask=20, hours=4)], [request(1, limit=12), request(2, limit=15, amount=4)])
    assert lower_ask(snapshot) == LowerAsk(money(15), 16)


def test_a_flat_ask_may_be_above_the_cheap_hours() -> None:
    """Four hours at 10, 10, 2 and 2 are refused for 5 an hour; four at a flat 5 are not."""
    terms = offer(asks=tuple(map(money, (10, 10, 2, 2))), free=(8,) * 4)
    assert lower_ask(market([terms], [request(limit=5, deadline=4)], slots=4)) == LowerAsk(money(5), 32)


def test_a_price_that_stands_is_paid_beside_a_lower_ask() -> None:
    """The other offer has set a price of 12 in two hours; 10 for four leaves 8 for the other two."""
    offers = [offer(1, ask=20, hours=4), offer(2, ask=12, free=(8, 8, 0, 0), asks=(money(12),) * 4)]
    requests = [request(1, duration=2, deadline=2, limit=30), request(2, limit=10, deadline=4)]
    assert lower_ask(market(offers, requests)) == LowerAsk(money(8), 32)


def test_an_ask_that_others_could_not_bear_is_lowered_until_they_can() -> None:
    """The first buyer pays 10 and bears no more than 11; the refused one would pay 15."""
    offers = [offer(1, cards=8, ask=10, hours=4), offer(2, cards=8, ask=20, hours=4)]
    requests = [request(1, limit=11), request(2, amount=4, limit=10.5)]
    found = lower_ask(market(offers, requests), 2)
    assert found == LowerAsk(money(10.5), 16)


def test_there_is_none_where_nobody_was_refused_or_nothing_is_left() -> None:
    assert lower_ask(market([offer(cards=16)], [request()])) is None
    assert lower_ask(market([offer(hours=4)], [request(1, limit=30), request(2, limit=20)])) is None


def test_there_is_none_for_a_requirement_that_the_offer_does_not_meet() -> None:
    assert lower_ask(market([offer(ask=10)], [request(limit=9, notice=48)])) is None


def test_an_offer_does_not_undo_what_it_sold() -> None:
    """Half of it is sold at a price of 10 by day; at a flat ask above that the sale would not have been."""
    terms = offer(cards=16, asks=(money(10),) * 2 + (money(30),) * 2, free=(16,) * 4)
    requests = [request(1, duration=2, deadline=2, limit=10), request(2, duration=2, earliest=2, deadline=4)]
    assert lower_ask(market([terms], requests, slots=4)) == LowerAsk(money(10), 16)


def test_several_gangs_and_normalised_work_are_served_too() -> None:
    gangs = request(amount=16, gangs=2, limit=9)
    assert lower_ask(market([offer(cards=16, ask=10)], [gangs])) == LowerAsk(money(9), 64)
    work = request(unit=Unit.NP, amount=6_400_000, limit=10)
    assert lower_ask(market([offer(ask=10)], [work])) == LowerAsk(money(8), 32)
