"""Each detector of dealing finds what is planted and leaves the nearest honest case alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketplace.audit.findings.detectors.conduct import Listed, Products, Traded
from marketplace.audit.findings.detectors.dealing import Begun, Dealt, Month, Priced, ProductPrices
from marketplace.audit.findings.facts import Ownership, grouped
from marketplace.audit.findings.models import Severity
from tests.findings.rows import HOUR, NOBODY_RELATED, START, deal, judged, of_many

CNY = {"CNY": Decimal(1)}


def dealt(deals: list, ownership: Ownership = NOBODY_RELATED) -> Dealt:
    return Dealt(deals, ownership, CNY, {})


def owned(*pairs: tuple[int, int]) -> Ownership:
    return Ownership(grouped(list(pairs)), {}, {})


def test_whoever_sells_to_its_own_group_is_found() -> None:
    """The holding 7 controls buyer 20 and owner 10: they are related through it."""
    deals = [deal(1, 20, 10, card_hours=600), deal(2, 21, 10, card_hours=400)]

    (case,) = judged("related-parties", dealt(deals, owned((7, 20), (7, 10))))

    assert case.severity == Severity.SERIOUS
    assert (case.statistics["share"], case.statistics["card_hours"]) == (Decimal("0.6"), 600)
    assert {one.organisation for one in case.subjects} == {20, 10}


def test_whoever_has_an_administrator_in_common_is_found() -> None:
    together = Ownership({}, {(10, 20): 1}, {})

    (case,) = judged("related-parties", dealt([deal(1, 20, 10)], together))

    assert case.statistics["tie"] == "people"


def test_a_group_that_sells_to_others_is_not_found() -> None:
    deals = [deal(1, 21, 10, card_hours=600), deal(2, 20, 11, card_hours=600)]
    assert judged("related-parties", dealt(deals, owned((7, 20), (7, 10)))) == []


def test_money_that_comes_back_through_three_groups_is_found() -> None:
    """Buyer 20 and owner 10 are one group, and so on: 1 buys of 2, 2 of 3, 3 of 1."""
    groups = owned((20, 10), (21, 11), (22, 12))
    deals = [
        deal(1, 20, 11, card_hours=1000),
        deal(2, 21, 12, card_hours=900),
        deal(3, 22, 10, card_hours=1100),
    ]

    (case,) = judged("circular-trade", dealt(deals, groups))

    assert case.statistics["groups"] == 3
    assert case.statistics["circulation"] == Decimal("0.818182")
    assert {one.organisation for one in case.subjects} == {20, 11, 21, 12, 22, 10}


@pytest.mark.parametrize("back", [0, 200])
def test_groups_that_buy_one_way_or_hardly_back_are_not_found(back: int) -> None:
    deals = [deal(1, 20, 11, card_hours=1000), deal(2, 21, 12, card_hours=1000)]
    deals += [deal(3, 21, 10, card_hours=back)] if back else []
    assert judged("circular-trade", dealt(deals, owned((20, 10), (21, 11), (22, 12)))) == []


def month(number: int, delivered: int, offered: int = 1000) -> Month:
    return Month(1, 20, 10, number, 1000, delivered, offered, START, START + 24 * HOUR)


def test_an_agreement_that_nobody_calls_off_is_found() -> None:
    (case,) = judged("never-called-off", [month(0, 0), month(1, 20)])
    assert (case.severity, case.statistics["share"]) == (Severity.WARNING, Decimal("0.01"))


def test_one_without_capacity_is_serious() -> None:
    (case,) = judged("never-called-off", [month(0, 0, offered=0), month(1, 0, offered=0)])
    assert case.severity == Severity.SERIOUS


@pytest.mark.parametrize("months", [[month(0, 0)], [month(0, 0), month(1, 200)]])
def test_a_first_month_and_a_slow_beginning_are_not_found(months: list[Month]) -> None:
    assert judged("never-called-off", months) == []


@pytest.mark.parametrize(("price", "found"), [("30", 1), ("3", 1), ("13", 0), ("8", 0)])
def test_a_price_far_from_the_markets_is_found(price: str, found: int) -> None:
    usual = {(1, 1): ProductPrices(middle=2.302585, spread=0.1, known=200)}
    assert len(judged("off-price", Priced([deal(1, 20, 10, price=price)], usual))) == found


def begun(number: int, *, owner: int, dropped: bool, early: int = 1) -> Begun:
    starts_at = START + number * HOUR
    return Begun(
        number,
        number,
        20 + number % 5,
        owner,
        starts_at,
        starts_at - early * HOUR,
        "owner" if dropped else "",
    )


def test_whoever_drops_deliveries_just_before_they_begin_is_found() -> None:
    honest = [begun(n, owner=11 + n % 9, dropped=n % 50 == 0) for n in range(100)]
    planted = [begun(200 + n, owner=10, dropped=n < 5) for n in range(8)]

    (case,) = judged("late-cancellation", honest + planted)

    assert case.subjects[0].organisation == 10
    assert (case.statistics["cancelled"], case.statistics["deliveries"]) == (5, 8)


def test_deliveries_that_are_dropped_days_before_are_not_found() -> None:
    assert judged("late-cancellation", [begun(n, owner=10, dropped=True, early=48) for n in range(8)]) == []


def traded(deals: list, ownership: Ownership = NOBODY_RELATED) -> Traded:
    return Traded(deals, ownership)


def test_a_pair_that_only_meets_each_other_is_found() -> None:
    pair = [deal(n, 20, 10) for n in range(10)]

    (case,) = judged("wash-orders", traded(of_many() + pair))

    assert {one.organisation for one in case.subjects} == {20, 10}
    assert case.severity == Severity.WARNING
    (related,) = judged("wash-orders", traded(of_many() + pair, owned((7, 20), (7, 10))))
    assert related.severity == Severity.SERIOUS


def test_a_small_buyer_of_a_large_owner_is_not_found() -> None:
    """It always buys there, and the owner sells to many."""
    assert judged("wash-orders", traded(of_many() + [deal(n, 20, 900) for n in range(10)])) == []


def listed(number: int, *, minutes: int | None, sold: bool = False, at: int | None = None) -> Listed:
    entered = START + (number if at is None else at) * HOUR
    return Listed(number, 10, 1, 8, entered, None if minutes is None else entered + minutes * HOUR / 60, sold)


def test_offers_that_are_listed_and_taken_back_are_found() -> None:
    fleeting = [listed(n, minutes=5) for n in range(12)]
    (case,) = judged("layering", [*fleeting, listed(50, minutes=None, sold=True)])
    assert (case.statistics["withdrawn"], case.statistics["offers"]) == (12, 13)


@pytest.mark.parametrize(
    "offers",
    [
        [listed(n, minutes=5, at=1) for n in range(12)],  # one plan with an error in it
        [listed(n, minutes=600) for n in range(12)],  # withdrawn after a while
    ],
)
def test_a_plan_taken_back_as_a_whole_and_offers_that_stood_for_hours_are_not_found(
    offers: list[Listed],
) -> None:
    assert judged("layering", [*offers, listed(50, minutes=None, sold=True)]) == []


def test_a_product_that_one_of_several_sells_is_found() -> None:
    deals = [deal(n, 20 + n, 10, card_hours=300) for n in range(4)] + [deal(9, 20, 11), deal(10, 20, 12)]

    (case,) = judged("concentration", Products(traded(deals), {(1, 1): 3}))

    assert case.severity == Severity.NOTICE
    assert case.statistics["hhi"] == Decimal("7448.979592")
    assert {one.organisation for one in case.subjects} == {10}


def test_a_product_that_many_sell_and_one_that_only_one_has_are_not_found() -> None:
    assert judged("concentration", Products(traded(of_many()), {(1, 1): 6})) == []
    assert judged("concentration", Products(traded([deal(1, 20, 10)]), {(1, 1): 1})) == []
