"""Months of term agreements: worked examples, and a slow form that counts every unit by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.settlement import Kind, Settlement, Use, settle
from marketplace.errors import InvalidInput
from marketplace.terms.calendar import months
from marketplace.terms.sheet import MICRO, Sheet, Tier, Unit

HOUR = 3600 * MICRO
SHEET = Sheet(
    unit=Unit.CARD_HOUR,
    quantity=1_000 * MICRO,
    price=10 * MICRO,
    take_or_pay=800_000,
    tiers=(Tier(1_100_000, 12 * MICRO), Tier(1_500_000, 15 * MICRO)),
    make_up_months=2,
    carry_forward_months=1,
)


def hours(delivered: int, undelivered: int = 0) -> tuple[Sheet, Use]:
    return SHEET, Use(delivered * HOUR, undelivered * HOUR)


def told(settlement: Settlement) -> list[tuple[str, int, str]]:
    """Kind, hours, amount."""
    return [(due.kind.value, due.quantity // HOUR, f"{due.amount:.2f}") for due in settlement.dues]


def test_what_is_taken_up_to_the_quantity_costs_the_price() -> None:
    (month,) = settle([hours(900)])
    assert told(month) == [("usage", 900, "9000.00")]
    assert not month.make_up
    assert not month.carry_forward


def test_what_is_not_taken_is_paid_up_to_the_share_and_may_be_taken_later() -> None:
    first, second, third = settle([hours(500), hours(900), hours(1_000)])
    assert told(first) == [("usage", 500, "5000.00"), ("shortfall", 300, "3000.00")]
    assert told(second) == [("usage", 800, "8000.00"), ("make_up", 100, "0.00")]
    assert told(third) == [("usage", 800, "8000.00"), ("make_up", 200, "0.00")]
    assert not third.make_up


def test_a_make_up_right_ends_with_its_months() -> None:
    *_, third, fourth = settle([hours(500), hours(800), hours(800), hours(1_000)])
    assert sum(right.left for right in third.make_up) == 300 * HOUR
    assert told(fourth) == [("usage", 1_000, "10000.00")]


def test_overage_costs_the_price_of_its_tier() -> None:
    (month,) = settle([hours(1_700)])
    assert told(month) == [
        ("usage", 1_000, "10000.00"),
        ("overage", 100, "1000.00"),
        ("overage", 400, "4800.00"),
        ("overage", 200, "3000.00"),
    ]


def test_what_was_taken_beyond_the_quantity_lowers_the_next_minimum() -> None:
    first, second, third = settle([hours(1_100), hours(600), hours(600)])
    assert sum(right.left for right in first.carry_forward) == 100 * HOUR
    assert told(second) == [("usage", 600, "6000.00"), ("shortfall", 100, "1000.00")]
    assert told(third) == [("usage", 600, "6000.00"), ("shortfall", 200, "2000.00")]


def test_what_the_site_failed_to_deliver_lowers_the_minimum() -> None:
    (month,) = settle([hours(600, undelivered=250)])
    assert month.minimum == 600 * HOUR
    assert told(month) == [("usage", 600, "6000.00")]
    (nothing_at_all,) = settle([hours(0, undelivered=5_000)])
    assert not nothing_at_all.dues
    assert nothing_at_all.amount == 0


# -- Each token is a tenth of the smallest quantity, and counted by itself ----------------------------------

TOKEN = 9 * MICRO
SMALLEST = 25_000


@dataclass(frozen=True)
class Month:
    """``quantity`` in tens of tokens, ``share`` in tenths, tier borders in tenths of the quantity."""

    quantity: int
    share: int
    borders: tuple[int, ...]
    delivered: int
    undelivered: int
    make_up: int
    carry: int

    def given(self) -> tuple[Sheet, Use]:
        tiers = tuple(Tier(each * 100_000, 50 + 10 * place) for place, each in enumerate(self.borders))
        sheet = Sheet(
            unit=Unit.NP_HOUR,
            quantity=self.quantity * SMALLEST,
            price=30,
            take_or_pay=self.share * 100_000,
            tiers=tiers,
            make_up_months=self.make_up,
            carry_forward_months=self.carry,
        )
        return sheet, Use(self.delivered * TOKEN, self.undelivered * TOKEN)


MONTHS = st.lists(
    st.builds(
        Month,
        quantity=st.integers(1, 3),
        share=st.integers(0, 10),
        borders=st.lists(st.integers(10, 20), max_size=2, unique=True).map(lambda each: tuple(sorted(each))),
        delivered=st.integers(0, 60),
        undelivered=st.integers(0, 10).map(lambda tens: tens * 10),
        make_up=st.integers(0, 3),
        carry=st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


def one_by_one(months: Sequence[Month]) -> list[tuple[Decimal, int, int]]:
    """By month the amount, and tokens paid for nothing and taken for nothing."""
    unused: list[int] = []  # when the right to a token ends
    ahead: list[int] = []
    told = []
    for number, month in enumerate(months):
        unused = [until for until in unused if until > number]
        ahead = [until for until in ahead if until > number]
        committed = month.quantity * 10
        minimum = max(committed - month.undelivered, 0) * month.share // 10
        amount, paid, free, missed = 0, 0, 0, 0
        for token in range(month.delivered):
            if token >= minimum and unused:
                unused.pop(0)
                free += 1
                continue
            tier = sum(paid * 10 >= committed * each for each in month.borders)
            amount += [30, 50, 60][tier]
            paid += 1
        for _ in range(month.delivered, minimum):
            if ahead:
                ahead.pop(0)
            else:
                missed += 1
                amount += 30
        unused += [number + 1 + month.make_up] * missed
        ahead += [number + 1 + month.carry] * max(paid - committed, 0)
        told.append((Decimal(amount * TOKEN) / 3600 / 10**12, missed * TOKEN, free * TOKEN))
    return told


@given(MONTHS)
def test_it_is_what_counting_every_unit_gives(given_months: list[Month]) -> None:
    settled = settle([month.given() for month in given_months])
    assert [(each.amount, each.shortfall, each.made_up) for each in settled] == one_by_one(given_months)


@given(MONTHS)
def test_nothing_is_free_that_was_not_paid_before(given_months: list[Month]) -> None:
    free = paid_ahead = 0
    for month, settlement in zip(given_months, settle([each.given() for each in given_months]), strict=True):
        free += settlement.made_up
        assert free <= paid_ahead
        paid_ahead += settlement.shortfall
        billed = sum(due.quantity for due in settlement.dues if due.kind is not Kind.SHORTFALL)
        assert billed == month.delivered * TOKEN


def test_terms_are_written_and_read_without_loss() -> None:
    terms = SHEET.as_terms()
    assert terms["quantity_a_month"] == "1000"
    assert terms["overage"] == [{"above": "1.1", "price": "12"}, {"above": "1.5", "price": "15"}]
    assert Sheet.of_terms(terms) == SHEET


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("format", "term/2", "format"),
        ("unit", "hours", "unit"),
        ("quantity_a_month", "0", "quantity"),
        ("quantity_a_month", 5.0, "quantity_a_month"),
        ("quantity_a_month", "1e400", "quantity"),
        ("price_per_unit", "0.0000001", "price_per_unit"),
        ("price_per_unit", "NaN", "price_per_unit"),
        ("take_or_pay_share", "1.1", "take_or_pay"),
        ("overage", [{"above": "0.9", "price": "1"}], "overage"),
        ("overage", [{"above": "1.2", "price": "1"}, {"above": "1.1", "price": "1"}], "overage"),
        ("overage", [{"above": "1.2", "price": "0"}], "overage"),
        ("make_up_months", 121, "months"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_name(field: str, value: Any, named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Sheet.of_terms(SHEET.as_terms() | {field: value})
    assert list(refused.value.fields) == [named]


@pytest.mark.parametrize(
    ("first", "zone", "length"),
    [
        (datetime(2026, 3, 5, tzinfo=UTC), "America/New_York", 743),
        (datetime(2026, 11, 5, tzinfo=UTC), "America/New_York", 721),
        (datetime(2028, 2, 5, tzinfo=UTC), "Asia/Shanghai", 29 * 24),
        (datetime(2027, 2, 5, tzinfo=UTC), "Asia/Shanghai", 28 * 24),
    ],
)
def test_a_month_is_as_long_as_its_zone_makes_it(first: datetime, zone: str, length: int) -> None:
    ((start, end),) = months(first, 1, zone)
    assert end - start == timedelta(hours=length)
    assert start <= first < end


def test_months_touch() -> None:
    found = months(datetime(2026, 11, 30, 16, tzinfo=UTC), 14, "Asia/Shanghai")
    assert found[0][0] == datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert all(one[1] == other[0] for one, other in pairwise(found))
    with pytest.raises(InvalidInput):
        months(datetime(2026, 1, 1, tzinfo=UTC), 1, "Asia/Nowhere")


def test_months_may_have_different_terms() -> None:
    dearer = replace(SHEET, price=20 * MICRO)
    first, second = settle([hours(500), (dearer, Use(900 * HOUR))])
    assert told(first)[1] == ("shortfall", 300, "3000.00")
    assert told(second) == [("usage", 800, "16000.00"), ("make_up", 100, "0.00")]
