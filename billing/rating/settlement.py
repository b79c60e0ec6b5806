"""What the months of a term agreement owe. Pure: no database, no clock, no rounding but where it says so.

``settle`` looks at all months from the first on, whatever was settled before: rights that a month leaves
behind are used by later ones, so a late reading in one month may change another. What was billed is
compared with what ``settle`` says now, and the difference is booked. So the order in which usage arrives
leaves no trace in the sums.

For a month with quantity ``C``, undelivered ``U`` (of ``C`` what the owner did not offer, and what was called
off and the site did not deliver), delivered ``D``:

    minimum    M = ⌊take_or_pay · max(C − U, 0)⌋            in whole unit-seconds, as all of these are
    carried    K = min(what carry-forward rights are left, max(M − D, 0))
    shortfall  S = max(M − K − D, 0)                    paid at the base price, and becomes a make-up right
    made up    F = min(what make-up rights are left, max(D − M, 0))     free: it was paid before
    beyond     X = max(D − F − C, 0)                    becomes a carry-forward right

``D − F`` is paid: up to ``C`` at the base price, above it at the price of its tier. Rights are used oldest
first, and end after the months that the terms of the month in which they arose give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from billing.money import SECONDS_AN_HOUR, priced
from marketplace.terms.sheet import MICRO, Sheet


class Kind(StrEnum):
    USAGE = "usage"
    OVERAGE = "overage"
    SHORTFALL = "shortfall"
    MAKE_UP = "make_up"


@dataclass(frozen=True, slots=True)
class Use:
    """What happened in a month, in millionths of a unit-second: a card-second, or an nP-second.

    ``undelivered`` is what the owner did not offer of the quantity, and what the buyer had called off and the
    site did not deliver.
    """

    delivered: int
    undelivered: int = 0

    def __post_init__(self) -> None:
        if self.delivered < 0 or self.undelivered < 0:
            raise ValueError(f"{self} is below zero")


@dataclass(frozen=True, slots=True)
class Due:
    """A quantity in millionths of a unit-second, and what it costs, exact to 12 places."""

    kind: Kind
    quantity: int
    price: int

    @property
    def amount(self) -> Decimal:
        return priced(self.quantity, self.price)


@dataclass(frozen=True, slots=True)
class Right:
    """``left`` may be used in the months before ``until``, counted from the first month of the agreement."""

    until: int
    left: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one month owes, and the rights there are after it, the oldest first."""

    dues: Sequence[Due]
    minimum: int
    shortfall: int
    carried: int
    made_up: int
    make_up: Sequence[Right]
    carry_forward: Sequence[Right]

    @property
    def amount(self) -> Decimal:
        return sum((due.amount for due in self.dues), Decimal())


def settle(months: Sequence[tuple[Sheet, Use]]) -> list[Settlement]:
    """The settlements of consecutive months, from the first of the agreement on."""
    settled: list[Settlement] = []
    make_up: Sequence[Right] = ()
    carry_forward: Sequence[Right] = ()
    for number, (sheet, use) in enumerate(months):
        found = _settle(number, sheet, use, _alive(make_up, number), _alive(carry_forward, number))
        make_up, carry_forward = found.make_up, found.carry_forward
        settled.append(found)
    return settled


def _settle(
    number: int, sheet: Sheet, use: Use, make_up: Sequence[Right], carry_forward: Sequence[Right]
) -> Settlement:
    committed = sheet.quantity * SECONDS_AN_HOUR
    minimum = _part(max(committed - use.undelivered, 0), sheet.take_or_pay)
    carried, carry_forward = _use(carry_forward, max(minimum - use.delivered, 0))
    shortfall = max(minimum - carried - use.delivered, 0)
    made_up, make_up = _use(make_up, max(use.delivered - minimum, 0))
    paid = use.delivered - made_up
    return Settlement(
        dues=_dues(sheet, paid, shortfall=shortfall, made_up=made_up),
        minimum=minimum,
        shortfall=shortfall,
        carried=carried,
        made_up=made_up,
        make_up=_with(make_up, number + 1, sheet.make_up_months, shortfall),
        carry_forward=_with(carry_forward, number + 1, sheet.carry_forward_months, paid - committed),
    )


def _dues(sheet: Sheet, paid: int, *, shortfall: int, made_up: int) -> list[Due]:
    committed = sheet.quantity * SECONDS_AN_HOUR
    borders = [committed, *(_part(committed, tier.above) for tier in sheet.tiers)]
    prices = [sheet.price, *(tier.price for tier in sheet.tiers)]
    dues = [Due(Kind.USAGE, min(paid, committed), sheet.price)]
    for low, high, price in zip(borders, [*borders[1:], None], prices, strict=True):
        part = (paid if high is None else min(paid, high)) - low
        dues.append(Due(Kind.OVERAGE, max(part, 0), price))
    dues += [Due(Kind.MAKE_UP, made_up, 0), Due(Kind.SHORTFALL, shortfall, sheet.price)]
    return [due for due in dues if due.quantity]


def _part(quantity: int, share: int) -> int:
    """A share, in ppm, of a quantity, rounded down to whole unit-seconds."""
    return quantity * share // MICRO // MICRO * MICRO


def _alive(rights: Sequence[Right], number: int) -> Sequence[Right]:
    return [right for right in rights if right.until > number]


def _use(rights: Sequence[Right], wanted: int) -> tuple[int, Sequence[Right]]:
    """How much of what is wanted the rights cover, and what is left of them."""
    left, missing = [], wanted
    for right in rights:
        part = min(right.left, missing)
        missing -= part
        if right.left > part:
            left.append(replace(right, left=right.left - part))
    return wanted - missing, left


def _with(rights: Sequence[Right], number: int, lasting: int, quantity: int) -> Sequence[Right]:
    """The rights and, if there is anything in it, a new one for the months from ``number`` on."""
    if quantity <= 0 or not lasting:
        return rights
    return [*rights, Right(number + lasting, quantity)]
