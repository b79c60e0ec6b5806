"""What follows from the facts about one slot. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.metering.storage import Usage
from billing.money import amount_of, commission_of
from billing.rating.models import ParkedUsage

Reason = ParkedUsage.Reason


@dataclass(frozen=True, slots=True)
class Charged:
    """What the charges of a slot add up to, and which is the last of them."""

    quantity: int
    amount: Decimal
    commission: Decimal
    last_charge: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Case:
    """One slot of one agreement: its terms, what was metered, what was charged.

    ``committed`` is what the delivery can have at most: its cards times the seconds it was active.
    ``settled_until`` is the newest reading that was known when the outcome of a dispute set the quantity.
    """

    agreement: int
    slot: datetime
    cards: int
    committed: int
    price: Decimal | None
    currency: str
    commission_rate: Decimal
    usage: Usage | None
    charged: Charged | None
    settled_until: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A charge to make: the slot's first, or the difference to those it has."""

    quantity: int
    price: Decimal
    amount: Decimal
    commission: Decimal
    last_reading: int
    corrects: int | None
    sequence: int

    @property
    def credit(self) -> Decimal:
        return self.amount - self.commission


@dataclass(frozen=True, slots=True)
class Parked:
    """Something that a person must look at before the slot can be charged."""

    reason: ParkedUsage.Reason
    details: dict[str, Any]


def judge(case: Case) -> Due | Parked | None:
    """A charge, a reason not to make one, or None when the charges are right as they are.

    A correction is the difference between what the slot costs now and what was charged for it, never
    the price of the late quantity alone: so the order of arrival leaves no trace in the sums.
    """
    if case.usage is None:
        return None if case.charged else Parked(Reason.NO_READINGS, {"cards": case.cards})
    if case.price is None:
        return Parked(Reason.NO_PRICE, {"quantity": case.usage.quantity})
    if case.settled_until is not None:
        return _after_a_dispute(case, case.usage)
    if case.usage.quantity > case.committed:
        return Parked(Reason.OVERAGE, {"quantity": case.usage.quantity, "committed": case.committed})
    return due_for(case, case.usage, case.price)


def _after_a_dispute(case: Case, usage: Usage) -> Parked | None:
    """What a person decided stays; what comes afterwards is shown to a person."""
    if case.settled_until is None or usage.last_reading <= case.settled_until:
        return None
    charged = case.charged.quantity if case.charged else 0
    details = {"quantity": usage.quantity, "committed": case.committed, "charged": charged}
    return Parked(Reason.SETTLED, details)


def due_for(case: Case, usage: Usage, price: Decimal) -> Due | None:
    """What is missing until the charges of the slot add up to this usage; None where nothing is."""
    amount = amount_of(usage.quantity, price)
    commission = commission_of(amount, case.commission_rate)
    before = case.charged
    if before is None:
        return Due(usage.quantity, price, amount, commission, usage.last_reading, None, 0)
    if before.quantity == usage.quantity:
        return None
    return Due(
        quantity=usage.quantity - before.quantity,
        price=price,
        amount=amount - before.amount,
        commission=commission - before.commission,
        last_reading=usage.last_reading,
        corrects=before.last_charge,
        sequence=before.sequence + 1,
    )
