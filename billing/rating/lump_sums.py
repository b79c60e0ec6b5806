"""Charges that are one sum for an agreement: the sum, and later what it has changed by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import BigIntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from billing.rating.models import Charge, Cover, ServiceLevel
from marketplace.agreements.models import Agreement


def last_look(looks: type[Cover | ServiceLevel]) -> Coalesce:
    """Of an agreement: the run that looked at it last, 0 where none has."""
    runs = looks.objects.filter(agreement=OuterRef("pk")).order_by("-run").values("run")
    return Coalesce(Subquery(runs[:1]), 0, output_field=BigIntegerField())


def lump_sum(
    kind: Charge.Kind,
    agreement: Agreement,
    slot: datetime,
    *,
    amount: Decimal,
    commission: Decimal,
    given: Sequence[Charge],
    last_reading: int,
) -> Charge | None:
    """What ``amount`` and ``commission`` differ by from the charges that were ``given``, the oldest first;
    nothing where they do not."""
    amount -= sum(charge.amount for charge in given)
    commission -= sum(charge.commission for charge in given)
    if not amount and not commission:
        return None
    return Charge(
        kind=kind,
        agreement=agreement,
        slot=slot,
        sequence=given[-1].sequence + 1 if given else 0,
        corrects=given[-1] if given else None,
        quantity=0,
        committed=0,
        price=Decimal(0),
        currency=agreement.currency,
        amount=amount,
        commission=commission,
        credit=amount - commission,
        last_reading=last_reading,
    )
