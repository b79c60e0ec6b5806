"""What a bank's statement says, in whatever format it comes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.money import MINOR_PLACES, exact_minor
from marketplace.errors import DomainError

LARGEST_FILE = 8 * 1024 * 1024
AMOUNT = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,5})?")


class StatementWrong(DomainError):
    code = "bank_statement_wrong"
    title = gettext_noop("The bank statement cannot be read")
    status = 422


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """``amount`` is in minor units, what arrives is positive. ``bank_id`` is the bank's name for the line."""

    bank_id: str
    amount: int
    booked_on: date
    text: str = ""
    end_to_end: str = ""
    batch_reference: str = ""
    counterparty: str = ""
    return_reason: str = ""


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """``account`` is empty, ``opening`` and ``closing`` are ``None``, where the format does not say them."""

    account: str
    currency: str
    lines: Sequence[ParsedLine]
    opening: int | None = None
    closing: int | None = None

    def check(self) -> None:
        """Refuse a statement that does not add up, or that names two lines alike."""
        names = [line.bank_id for line in self.lines]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StatementWrong(_("Two lines have the same id: %(ids)s.") % {"ids": ", ".join(twice)})
        if self.opening is None or self.closing is None:
            return
        moved = sum(line.amount for line in self.lines)
        if self.opening + moved != self.closing:
            raise StatementWrong(
                _("The lines do not lead from the opening to the closing balance: %(off)s is missing.")
                % {"off": self.closing - self.opening - moved}
            )


def minor_of(text: str, currency: str, *, where: str) -> int:
    """An amount as the bank writes it, in minor units: plain digits, for 1e999999999 is a number as well."""
    if currency not in MINOR_PLACES:
        raise StatementWrong(
            _("%(where)s: %(currency)s is no currency of the exchange.")
            % {"where": where, "currency": currency}
        )
    found = AMOUNT.fullmatch(text.strip())
    try:
        return exact_minor(Decimal(found.group() if found else "NaN"), currency)
    except ValueError as error:
        raise StatementWrong(
            _("%(where)s: %(amount)s is no amount of %(currency)s.")
            % {"where": where, "amount": text[:40], "currency": currency}
        ) from error


def day_of(text: str, *, where: str) -> date:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError as error:
        raise StatementWrong(
            _("%(where)s: %(day)s is no date, for example 2026-01-31.") % {"where": where, "day": text[:40]}
        ) from error
