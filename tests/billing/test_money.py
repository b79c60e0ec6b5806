"""One exact figure, one rounding rule, each in one place."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import amount_of, commission_of, from_minor, to_minor

PRICES = st.integers(1, 10**12).map(lambda micro: Decimal(micro).scaleb(-6))
RATES = st.integers(0, 999_999).map(lambda micro: Decimal(micro).scaleb(-6))
AMOUNTS = st.integers(-(10**20), 10**20).map(lambda pico: Decimal(pico).scaleb(-12))


def _rounded(exact: Fraction, places: int, rounding: str) -> Decimal:
    """Slow and obvious: hundreds of digits, then one rounding."""
    with localcontext(prec=400):
        return (Decimal(exact.numerator) / exact.denominator).quantize(Decimal(1).scaleb(-places), rounding)


@given(st.integers(0, 10**9), PRICES)
def test_an_amount_is_the_exact_quotient_rounded_once(seconds: int, price: Decimal) -> None:
    exact = Fraction(seconds) * Fraction(price) / 3600
    assert amount_of(seconds, price) == _rounded(exact, 12, ROUND_HALF_EVEN)


@given(AMOUNTS, RATES)
def test_a_commission_is_the_exact_product_rounded_once(amount: Decimal, rate: Decimal) -> None:
    assert commission_of(amount, rate) == _rounded(Fraction(amount) * Fraction(rate), 12, ROUND_HALF_EVEN)


@given(AMOUNTS)
def test_minor_units_are_rounded_half_away_from_zero(amount: Decimal) -> None:
    assert to_minor(amount, "CNY") == _rounded(Fraction(amount) * 100, 0, ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("exact", "minor"),
    [("0.005", 1), ("-0.005", -1), ("0.004999999999", 0), ("-0.004999999999", 0), ("1.015", 102), ("0", 0)],
)
def test_half_a_fen_goes_away_from_zero(exact: str, minor: int) -> None:
    assert to_minor(Decimal(exact), "CNY") == minor


def test_a_price_finer_than_a_micro_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 6 decimal places"):
        amount_of(1, Decimal("0.0000001"))


def test_a_currency_without_a_minor_unit_is_an_error() -> None:
    with pytest.raises(KeyError):
        to_minor(Decimal(1), "XXX")


@given(st.integers(-(10**15), 10**15))
def test_minor_units_come_back_as_what_they_were(minor: int) -> None:
    assert to_minor(from_minor(minor, "EUR"), "EUR") == minor
