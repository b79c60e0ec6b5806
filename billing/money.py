"""How money is computed and rounded; the only place in billing that does either.

Charges are exact to 12 decimal places. An amount is rounded to a minor unit (fen, cent) once, where
a line of a document is made. Both work on integers, so that no decimal context can round in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import numpy.typing as npt

from marketplace.catalogue.models import CurrencyCode
from marketplace.terms.sheet import Unit

SECONDS_AN_HOUR = 3600
PRICE_PLACES = 6
RATE_PLACES = 6
ONE_RATE = 10**RATE_PLACES
AMOUNT_PLACES = 12
# A whole number, or a column of them: the same arithmetic, written once.
Units = TypeVar("Units", int, npt.NDArray[Any])
MINOR_PLACES: Mapping[str, int] = {CurrencyCode.CNY: 2, CurrencyCode.USD: 2, CurrencyCode.EUR: 2}


def _units(value: Decimal, places: int) -> int:
    """``value`` as a whole number of its last place; refuses a value that is finer than that."""
    numerator, denominator = value.as_integer_ratio()
    scale: int = 10**places
    units, rest = divmod(numerator * scale, denominator)
    if rest:
        raise ValueError(f"{value} has more than {places} decimal places")
    return units


def _decimal(units: int, places: int) -> Decimal:
    return Decimal((units < 0, tuple(map(int, str(abs(units)))), -places))


def _half_even(numerator: Units, denominator: int, whole: Units | int = 0) -> Units:
    """The quotient as a whole number, added to another one."""
    quotient, rest = whole + numerator // denominator, numerator % denominator
    is_odd = quotient % 2 == 1
    rounded: Units = quotient + ((2 * rest > denominator) | ((2 * rest == denominator) & is_odd))
    return rounded


def amount_in_pico(card_seconds: Units, micro: Units) -> Units:
    """``amount_of`` in whole 12th places, from a price in whole 6th ones: of numbers, or of columns of them.

    A column of 64 bits must have room for 2,500 times the product, see ``fits_in_64_bits``.
    """
    # From the 6th place to the 12th, over the seconds of an hour: 1,000,000 / 3,600 = 2,500 / 9.
    return _half_even(card_seconds * micro * 2_500, 9)


def commission_in_pico(pico: Units, micro_rate: Units) -> Units:
    """``commission_of`` in whole 12th places, from a rate in whole 6th ones: of numbers, or of columns.

    The whole part and the rest are multiplied apart, so nothing on the way is larger than the amount.
    """
    whole, part = pico // ONE_RATE, pico % ONE_RATE
    commission: Units = _half_even(part * micro_rate, ONE_RATE, whole * micro_rate)
    return commission


def fits_in_64_bits(card_seconds: int, micro: int) -> bool:
    """Whether columns up to these can be multiplied by ``amount_in_pico``."""
    return card_seconds * micro * 2_500 < 2**63


def amount_of(card_seconds: int, price: Decimal) -> Decimal:
    """What ``card_seconds`` cost at a price per card-hour: exact, half to even at the 12th place.

    Thirds of a micro-unit have no last decimal place, so the quotient is rounded, once, here.
    """
    return _decimal(amount_in_pico(card_seconds, _units(price, PRICE_PLACES)), AMOUNT_PLACES)


def priced(micro_seconds: int, micro_price: int) -> Decimal:
    """What millionths of a unit-second cost at millionths of the currency a unit-hour, rounded likewise."""
    return _decimal(_half_even(micro_seconds * micro_price, SECONDS_AN_HOUR), AMOUNT_PLACES)


def commission_of(amount: Decimal, rate: Decimal) -> Decimal:
    """The exchange's part of an amount, half to even at the 12th place; the rest is the credit."""
    pico = commission_in_pico(_units(amount, AMOUNT_PLACES), _units(rate, RATE_PLACES))
    return _decimal(pico, AMOUNT_PLACES)


def from_pico(units: int) -> Decimal:
    """Whole 12th places as a decimal amount."""
    return _decimal(units, AMOUNT_PLACES)


def to_minor(exact: Decimal, currency: str) -> int:
    """The rounding rule of every document: to whole minor units, half away from zero."""
    pico = _units(exact, AMOUNT_PLACES)
    one: int = 10 ** (AMOUNT_PLACES - MINOR_PLACES[currency])
    magnitude = (2 * abs(pico) + one) // (2 * one)
    return -magnitude if pico < 0 else magnitude


def tax_on(minor: int, rate: Decimal) -> int:
    """The tax on a sum of rounded lines, by the same rule: to whole minor units, half away from zero."""
    micro = minor * _units(rate, RATE_PLACES)
    one: int = 10**RATE_PLACES
    magnitude = (2 * abs(micro) + one) // (2 * one)
    return -magnitude if micro < 0 else magnitude


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts of ``total`` in proportion to the weights, by largest remainder; they add up to it.

    Each part is the exact share rounded down or up. What rounding down leaves over goes, one each, to the
    largest remainders; of equal ones to the first. So no part exceeds its weight when the total does not
    exceed their sum. ``total`` and weights are not negative; ``ValueError`` where there is nothing to share
    by.
    """
    whole = sum(weights)
    if total < 0 or any(weight < 0 for weight in weights) or (total and not whole):
        raise ValueError(f"{total} cannot be shared by {list(weights)}")
    if not whole:
        return [0] * len(weights)
    shares = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-shares[place][1], place))
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def from_minor(minor: int, currency: str) -> Decimal:
    """Minor units as a decimal amount of the currency."""
    return _decimal(minor, MINOR_PLACES[currency])


def exact_minor(amount: Decimal, currency: str) -> int:
    """An amount that somebody states, in minor units; ``ValueError`` when it is finer than the currency."""
    return _units(amount, MINOR_PLACES[currency])


def counted(quantity: int, unit: Unit) -> Decimal:
    """Card-hours or nP-hours of what charges of an agreement in that unit count."""
    return Decimal(quantity) / (SECONDS_AN_HOUR * unit.parts)
