"""What of an agreement was committed, metered and charged, hour by hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from django.db.models import Max, Sum

from accounts.actors import Viewer
from billing.metering.models import Meter
from billing.metering.selectors import hours_for
from billing.money import SECONDS_AN_HOUR
from billing.rating.models import Charge
from billing.rating.selectors import charges_for
from marketplace.agreements.models import Agreement
from marketplace.clock import HOUR, hours_between

WIDE, HIGH = 1000, 200


@dataclass(frozen=True, slots=True)
class SlotUse:
    """One hour: card-seconds committed, metered as allocated and as active, and charged; and the amount.

    ``None`` where nothing was reported or charged: that is not a zero.
    """

    slot: datetime
    committed: int
    allocated: int | None
    active: int | None
    charged: int | None
    amount: Decimal | None
    charge: int | None


@dataclass(frozen=True, slots=True)
class BurnDown:
    """The hours, their sums in card-seconds, and three lines in a box of ``WIDE`` × ``HIGH``."""

    slots: Sequence[SlotUse]
    committed: int
    allocated: int
    active: int
    charged: int
    amount: Decimal

    @property
    def lines(self) -> dict[str, str]:
        """Cumulated card-seconds as points of polylines; what is not known yet ends the line."""
        parts: dict[str, Callable[[SlotUse], int | None]] = {
            "committed": lambda use: use.committed,
            "metered": lambda use: use.allocated,
            "charged": lambda use: use.charged,
        }
        return {name: self._points([part(use) for use in self.slots]) for name, part in parts.items()}

    def _points(self, amounts: list[int | None]) -> str:
        known = max((number for number, each in enumerate(amounts, 1) if each is not None), default=0)
        sums = [0, *accumulate(each or 0 for each in amounts[:known])]
        highest = max(self.committed, self.allocated, 1)
        across = max(len(self.slots), 1)
        return " ".join(
            f"{WIDE * number // across},{HIGH - HIGH * total // highest}" for number, total in enumerate(sums)
        )


def burn_down(agreement: Agreement, viewer: Viewer) -> BurnDown:
    """Three queries, whatever the length of the agreement."""
    metered = _metered(agreement, viewer)
    charged = _charged(agreement, viewer)
    slots = [
        _use(agreement, agreement.starts_at + number * HOUR, metered, charged)
        for number in range(hours_between(agreement.starts_at, agreement.ends_at))
    ]
    return BurnDown(
        slots=slots,
        committed=sum(use.committed for use in slots),
        allocated=sum(use.allocated or 0 for use in slots),
        active=sum(use.active or 0 for use in slots),
        charged=sum(use.charged or 0 for use in slots),
        amount=sum((use.amount or Decimal(0) for use in slots), Decimal(0)),
    )


Metered = dict[tuple[datetime, str], int]
Charged = dict[datetime, tuple[int, Decimal, int]]


def _use(agreement: Agreement, slot: datetime, metered: Metered, charged: Charged) -> SlotUse:
    quantity, amount, charge = charged.get(slot, (None, None, None))
    return SlotUse(
        slot=slot,
        committed=agreement.cards * SECONDS_AN_HOUR,
        allocated=metered.get((slot, Meter.ALLOCATED)),
        active=metered.get((slot, Meter.ACTIVE)),
        charged=quantity,
        amount=amount,
        charge=charge,
    )


def _metered(agreement: Agreement, viewer: Viewer) -> Metered:
    rows = hours_for(viewer).filter(delivery__agreement=agreement).order_by()
    return {(slot, meter): total for slot, meter, total in rows.values_list("slot", "meter", "quantity")}


def _charged(agreement: Agreement, viewer: Viewer) -> Charged:
    rows = charges_for(viewer).filter(agreement=agreement, kind=Charge.Kind.USAGE).order_by()
    sums = rows.values_list("slot").annotate(Sum("quantity"), Sum("amount"), Max("pk"))
    return {slot: (quantity, amount, charge) for slot, quantity, amount, charge in sums}
