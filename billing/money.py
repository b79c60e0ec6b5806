"""How money is computed and rounded; the only place in billing that does either.

Charges are exact to 12 decimal places. An amount is rounded to a minor unit (fen, cent) once, where
a line of a document is made. Both work on integers, so that no decimal context can round in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from marketplace.catalogue.models import CurrencyCode

SECONDS_AN_HOUR = 3600
PRICE_PLACES = 6
RATE_PLACES = 6
AMOUNT_PLACES = 12
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


def _half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        return quotient + 1
    return quotient


def amount_of(card_seconds: int, price: Decimal) -> Decimal:
    """What ``card_seconds`` cost at a price per card-hour: exact, half to even at the 12th place.

    Thirds of a micro-unit have no last decimal place, so the quotient is rounded, once, here.
    """
    return priced(card_seconds * 10 ** (AMOUNT_PLACES - PRICE_PLACES), _units(price, PRICE_PLACES))


def priced(micro_seconds: int, micro_price: int) -> Decimal:
    """What millionths of a unit-second cost at millionths of the currency a unit-hour, rounded likewise."""
    return _decimal(_half_even(micro_seconds * micro_price, SECONDS_AN_HOUR), AMOUNT_PLACES)


def commission_of(amount: Decimal, rate: Decimal) -> Decimal:
    """The exchange's part of an amount, half to even at the 12th place; the rest is the credit."""
    pico = _units(amount, AMOUNT_PLACES)
    return _decimal(_half_even(pico * _units(rate, RATE_PLACES), 10**RATE_PLACES), AMOUNT_PLACES)


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
