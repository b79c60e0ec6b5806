"""What a card may cost so that a buyer stays within its limit: exact, in 64-bit integers.

The same figures as ``windows.budgets``, for compiled code. What an amount is worth in pico may need more
than 64 bits, so it is divided without being formed.
"""

from __future__ import annotations

from marketplace.engine.columns import NEVER
from marketplace.engine.compiled import compiled


@compiled
def cards_needed(units: int, rate: int, lot: int) -> int:
    """Cards in whole lots that do so many units at once."""
    cards = (units + rate - 1) // rate
    return (cards + lot - 1) // lot * lot


@compiled
def card_budget(filled: int, cards: int, limit: int, scale: int, per: int, base: int) -> int:
    """``limit * filled // scale * per // (cards * base)``, at most ``NEVER``; -1 for no cards.

    What one of ``cards`` may cost in micro-units of a currency worth ``base``. Exact where an hour of what is
    filled is worth less than ``NEVER``, which validation sees to for all but divisible work.
    """
    if cards <= 0:
        return -1
    worth = quotient(limit, filled, scale)
    if cards > NEVER // base:
        return quotient(worth, per, cards) // base
    return quotient(worth, per, cards * base)


@compiled
def quotient(one: int, other: int, divisor: int) -> int:
    """``one * other // divisor``, at most ``NEVER``; all three at most 2**61, and the divisor above 0."""
    if one == 0 or other == 0:
        return 0
    times, rest = one // divisor, one % divisor
    if times > NEVER // other:
        return NEVER
    if rest <= NEVER // other:
        return min(times * other + rest * other // divisor, NEVER)
    return min(times * other + _long_division(rest, other, divisor), NEVER)


@compiled
def _long_division(one: int, other: int, divisor: int) -> int:
    """``one * other // divisor`` for ``one < divisor``, bit by bit of ``other`` from the highest."""
    found, left = 0, 0
    for bit in range(61, -1, -1):
        found, left = 2 * found, 2 * left
        if left >= divisor:
            found, left = found + 1, left - divisor
        if (other >> bit) & 1:
            if left >= divisor - one:
                found, left = found + 1, left - (divisor - one)
            else:
                left += one
    return found
