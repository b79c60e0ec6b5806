"""What a term agreement says, as data: a quantity for each month, and what follows where it is not taken.

Figures are whole numbers: quantities in millionths of a unit, prices in millionths of the currency, shares
in parts per million. As JSON they are decimal strings, as in every contract (``agreements.terms``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from marketplace.errors import InvalidInput

FORMAT = "term/1"
MICRO = 1_000_000
PLACES = 6
# Beyond these nobody means it, and sums stay far below 2**63.
MOST_QUANTITY = 10**9 * MICRO
# Parts of nP-seconds are counted in 64 bits, with room for what is taken beyond the quantity.
MOST_NP_HOURS = 10**8 * MICRO
MOST_PRICE = 10**6 * MICRO
MOST_MONTHS = 120


class Unit(StrEnum):
    CARD_HOUR = "card-hours"
    NP_HOUR = "nP-hours"

    @property
    def short(self) -> str:
        """As pages name it (``web.formats``)."""
        return "card-h" if self is Unit.CARD_HOUR else "nP-h"

    @property
    def seconds(self) -> str:
        """What figures of rating count, as the API and tables name it."""
        return "card-seconds" if self is Unit.CARD_HOUR else "micro-nP-seconds"

    @property
    def parts(self) -> int:
        """How many parts of a unit-second are counted: card-seconds are whole, nP-seconds have six places."""
        return 1 if self is Unit.CARD_HOUR else MICRO


def card_price(price: Decimal, np_per_card: Decimal) -> Decimal:
    """What a card-hour costs at a price per nP-hour: that price × the nP of the card.

    Rounded down to the millionth, so that some cards never cost more than what they do.
    """
    return (price * np_per_card).quantize(Decimal(1).scaleb(-PLACES), ROUND_FLOOR)


@dataclass(frozen=True, slots=True)
class Tier:
    """What is taken above ``above`` of the quantity, in ppm of it, costs ``price`` a unit."""

    above: int
    price: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """The terms of one month.

    ``quantity`` is committed; of ``take_or_pay`` of it, ppm, the price is owed whether it is taken or not.
    What is taken above it costs the base price up to the first tier. What was paid and not taken may be
    taken free of charge in the ``make_up_months`` after; what was taken and paid beyond the quantity lowers
    what must be paid in the ``carry_forward_months`` after.
    """

    unit: Unit
    quantity: int
    price: int
    take_or_pay: int
    tiers: Sequence[Tier]
    make_up_months: int
    carry_forward_months: int

    def __post_init__(self) -> None:
        wrong = {name: text for name, text, holds in reversed([*self._rules()]) if not holds}
        if wrong:
            raise InvalidInput(_("These are no terms."), wrong)

    def _rules(self) -> Iterator[tuple[str, str, bool]]:
        """Field, what is wrong with it, and whether it is right."""
        quantity, price = self.quantity, self.price
        yield "quantity", _("Commit more than 0 and at most 1,000,000,000."), 0 < quantity <= MOST_QUANTITY
        whole = self.unit is not Unit.CARD_HOUR or quantity % MICRO == 0
        yield "quantity", _("Commit whole card-hours."), whole
        countable = self.unit is not Unit.NP_HOUR or quantity <= MOST_NP_HOURS
        yield "quantity", _("Commit at most 100,000,000 nP-hours."), countable
        yield "price", _("Give a price above 0 and up to 1,000,000."), 0 < price <= MOST_PRICE
        yield "take_or_pay", _("Give a share between 0 and 1."), 0 <= self.take_or_pay <= MICRO
        borders = pairwise([MICRO - 1, *(tier.above for tier in self.tiers)])
        rising = all(low < high for low, high in borders)
        yield "overage", _("Tiers begin at 1 or above, each one above the tier before."), rising
        priced = all(0 < tier.price <= MOST_PRICE for tier in self.tiers)
        yield "overage", _("Every tier needs a price above 0 and up to 1,000,000."), priced
        lasting = all(0 <= each <= MOST_MONTHS for each in (self.make_up_months, self.carry_forward_months))
        yield "months", _("Rights last from 0 to 120 months."), lasting

    def as_terms(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "unit": self.unit.value,
            "quantity_a_month": _text(self.quantity),
            "price_per_unit": _text(self.price),
            "take_or_pay_share": _text(self.take_or_pay),
            "overage": [{"above": _text(tier.above), "price": _text(tier.price)} for tier in self.tiers],
            "make_up_months": self.make_up_months,
            "carry_forward_months": self.carry_forward_months,
            "billed": "delivered unit-seconds; reserved and idle is billed, outage is not",
            "quantity_is_lowered_by": "what the owner does not offer; what is called off and not delivered",
        }

    @classmethod
    def of_terms(cls, terms: Mapping[str, Any]) -> Sheet:
        """``InvalidInput`` names the field that is missing or wrong."""
        if terms.get("format") != FORMAT:
            raise InvalidInput(_("These are no terms."), {"format": _("Only term/1 is known.")})
        return cls(
            unit=_unit(terms),
            quantity=_micro(terms, "quantity_a_month"),
            price=_micro(terms, "price_per_unit"),
            take_or_pay=_micro(terms, "take_or_pay_share"),
            tiers=tuple(Tier(_micro(each, "above"), _micro(each, "price")) for each in terms["overage"]),
            make_up_months=int(terms["make_up_months"]),
            carry_forward_months=int(terms["carry_forward_months"]),
        )


def _unit(terms: Mapping[str, Any]) -> Unit:
    try:
        return Unit(str(terms.get("unit")))
    except ValueError as error:
        wrong = {"unit": _("Commit card-hours or nP-hours.")}
        raise InvalidInput(_("These are no terms."), wrong) from error


def _micro(terms: Mapping[str, Any], name: str) -> int:
    """A decimal string as millionths; a float, or anything finer, is refused."""
    given = terms.get(name)
    try:
        value = Decimal(given).scaleb(PLACES) if isinstance(given, str) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value != value.to_integral_value():
        message = _("Write it as a decimal number in quotes, with at most 6 places.")
        raise InvalidInput(_("These are no terms."), {name: message})
    return int(value)


def _text(micro: int) -> str:
    return str(Decimal(micro).scaleb(-PLACES).normalize() + 0) if micro else "0"
