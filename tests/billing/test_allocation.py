"""Shares by largest remainder and tax on the sum, against slow and obvious ways to compute them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.crediting import Creditable, share_of, spread
from billing.money import allocate, tax_on

MINOR = st.integers(0, 10**12)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=12)
RATES = st.integers(0, 999_999).map(lambda micro: Decimal(micro).scaleb(-6))


def _one_by_one(total: int, weights: list[int]) -> list[int]:
    """Give each its exact share rounded down; then one more to whoever lacks most, the first of equals."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [share.numerator // share.denominator for share in exact]
    while sum(parts) < total:
        lacking = [share - part for share, part in zip(exact, parts, strict=True)]
        parts[lacking.index(max(lacking))] += 1
    return parts


@given(st.integers(0, 10**6), WEIGHTS.filter(any))
def test_shares_are_those_of_the_slow_way(total: int, weights: list[int]) -> None:
    assert allocate(total, weights) == _one_by_one(total, weights)


@given(WEIGHTS.filter(any), st.data())
def test_shares_add_up_and_none_exceeds_its_weight(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    parts = allocate(total, weights)
    assert sum(parts) == total
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))
    assert all(
        abs(part - Fraction(total * weight, sum(weights))) < 1
        for part, weight in zip(parts, weights, strict=True)
    )


def test_equal_remainders_go_to_the_first() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(1, [5, 5]) == [1, 0]
    assert allocate(0, [0, 0]) == [0, 0]


@pytest.mark.parametrize(("total", "weights"), [(1, [0, 0]), (-1, [1]), (1, [2, -1]), (1, [])])
def test_what_cannot_be_shared_is_an_error(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be shared"):
        allocate(total, weights)


@given(st.integers(-(10**14), 10**14), RATES)
def test_tax_is_the_exact_product_rounded_half_away_from_zero(base: int, rate: Decimal) -> None:
    with localcontext(prec=60):
        assert tax_on(base, rate) == int((base * rate).quantize(Decimal(1), ROUND_HALF_UP))


LINES = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8)


@given(LINES, st.lists(st.integers(0, 10**5), min_size=1, max_size=3), st.data())
def test_a_credit_takes_off_what_it_says_and_nothing_beyond_what_is_left(
    amounts: list[int], taxes: list[int], data: st.DataObject
) -> None:
    lines = [Creditable(number, number % len(taxes), amount) for number, amount in enumerate(amounts)]
    left = {
        rule: tax
        for rule, tax in enumerate(taxes)
        if any(line.rule == rule and line.left > 0 for line in lines)
    }
    most = sum(max(line.left, 0) for line in lines) + sum(left.values())
    amount = data.draw(st.integers(0, most))
    credit = spread(amount, lines, left)
    assert credit.total == amount
    assert all(0 <= part <= max(amounts[line], 0) for line, part in credit.lines.items())
    assert all(0 <= part <= left[rule] for rule, part in credit.taxes.items())


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.data())
def test_many_small_credits_come_to_the_same_as_one(whole: int, charged: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, charged), max_size=6)))
    so_far = [0, *cuts, charged]
    shares = [share_of(whole, credited=each, charged=charged) for each in so_far]
    assert shares[-1] == whole
    assert shares == sorted(shares)
