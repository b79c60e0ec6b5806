"""What it cost to buy again what an owner did not deliver, charged to that owner.

A delivery that its owner failed or ended early is replaced: the exchange enters the rest of it as a request,
and a run makes new agreements of that. Their usage is charged like every other. Whatever an hour of it costs
above what the same hour of the old agreement would have cost goes back to the buyer, as a charge below zero
on the old agreement, and so off the old owner's statement: the buyer pays no more than it had agreed, the new
owners get their prices, and the exchange pays nothing.

    cost    = Σ amount of the hour's charges on the new agreements
    agreed  = old cards × old price of the hour × Σ quantity ÷ (Σ new cards × 3,600)
    cover   = Σ max(0, cost − agreed) over hours
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet, Sum

from accounts import audit
from accounts.actors import Actor
from billing.locks import try_billing_lock
from billing.metering.storage import cutoff_now
from billing.money import from_pico
from billing.rating.lump_sums import last_look, lump_sum
from billing.rating.models import Charge, Cover, RatingRun
from billing.rating.records import make_run
from marketplace.agreements.models import Agreement
from marketplace.clock import HOUR, hours_between

METHOD = "cover/1"
A_RUN = 500
PICO = 10**12
Kind = Charge.Kind


@dataclass(frozen=True, slots=True)
class Covered:
    """What the replacement of one agreement cost beyond it; ``hours`` are the evidence: hour, cost, agreed,
    both in the old agreement's currency."""

    agreement: Agreement
    total: Decimal
    hours: list[list[str]]
    charge: Charge | None


@transaction.atomic
def charge_covers(*, now: datetime, actor: Actor) -> RatingRun | None:
    """Charge what replacements cost since the last look; None where nothing is due, or others rate."""
    if not try_billing_lock():
        return None
    due = list(due_agreements()[:A_RUN])
    rated = RatingRun.objects.aggregate(until=Max("horizon"))["until"]
    if not due or rated is None:
        return None
    cutoff = cutoff_now()
    covered = cover(due, until=cutoff.reading)
    run = make_run(
        [each.charge for each in covered if each.charge is not None],
        method=METHOD,
        now=now,
        horizon=rated,
        cutoff=cutoff,
    )
    Cover.objects.bulk_create(
        Cover(run=run, agreement=each.agreement, charge=each.charge, total=each.total, hours=each.hours)
        for each in covered
    )
    data = {"agreements": len(covered), "charges": run.charges_made, "charges_sha256": run.charges_digest}
    audit.record(actor=actor, action="rating.covers_charged", target=run, now=now, data=data)
    return run


def due_agreements() -> QuerySet[Agreement]:
    """Those that were replaced by agreements of which usage was charged since the last look."""
    usage = Charge.objects.filter(
        agreement__allocation__request=OuterRef("delivery__replacement__request"),
        kind=Kind.USAGE,
        run__gt=OuterRef("last_run"),
    )
    replaced = Agreement.objects.filter(delivery__replacement__request__isnull=False)
    return (
        replaced.select_related("allocation")
        .annotate(last_run=last_look(Cover))
        .filter(Exists(usage))
        .order_by("pk")
    )


def cover(agreements: Collection[Agreement], *, until: int, before: int | None = None) -> list[Covered]:
    """What replacements come to by the charges that there are; by those before a run, if one is named."""
    facts = _Facts(agreements, before=before)
    return [facts.covered(each, until) for each in sorted(agreements, key=lambda one: one.pk)]


class _Facts:
    """New agreements and charges of many old agreements, in three queries."""

    def __init__(self, agreements: Collection[Agreement], *, before: int | None) -> None:
        pks = [agreement.pk for agreement in agreements]
        self.new: dict[int, list[Agreement]] = defaultdict(list)
        old = F("allocation__request__replacement__delivery__agreement")
        bought = Agreement.objects.filter(allocation__request__replacement__delivery__agreement__in=pks)
        for each in bought.annotate(replaces=old).select_related("allocation").order_by("pk"):
            self.new[each.replaces].append(each)
        charges = Charge.objects.order_by()
        if before is not None:
            charges = charges.filter(run__lt=before)
        new = [each.pk for found in self.new.values() for each in found]
        usage = charges.filter(agreement__in=new, kind=Kind.USAGE).values_list("agreement", "slot")
        self.used: dict[tuple[int, datetime], tuple[int, Decimal]] = {
            (agreement, slot): (quantity, amount)
            for agreement, slot, quantity, amount in usage.annotate(Sum("quantity"), Sum("amount"))
        }
        self.given: dict[int, list[Charge]] = defaultdict(list)
        for charge in charges.filter(agreement__in=pks, kind=Kind.COVER).order_by("sequence"):
            self.given[charge.agreement_id].append(charge)

    def covered(self, old: Agreement, until: int) -> Covered:
        hours = self._hours(old)
        total = from_pico(sum(round(max(cost - agreed, Fraction(0)) * PICO) for _, cost, agreed in hours))
        evidence = [[slot.isoformat(), _told(cost), _told(agreed)] for slot, cost, agreed in hours]
        charge = lump_sum(
            Kind.COVER,
            old,
            old.ends_at - HOUR,
            amount=-total,
            commission=Decimal(0),
            given=self.given[old.pk],
            last_reading=until,
        )
        return Covered(old, total, evidence, charge)

    def _hours(self, old: Agreement) -> list[tuple[datetime, Fraction, Fraction]]:
        """Of each hour that was charged: what it cost, and what it would have cost under the old agreement.

        The first hour of the new agreements stands for the first one that was left of the old one.
        """
        new = self.new[old.pk]
        if not new:
            return []
        start = min(each.starts_at for each in new)
        length = hours_between(start, max(each.ends_at for each in new))
        prices = old.allocation.prices[-length:]
        return [
            (start + number * HOUR, *figures)
            for number, price in enumerate(prices)
            if (figures := self._hour(old, new, start + number * HOUR, price)) is not None
        ]

    def _hour(
        self, old: Agreement, new: Sequence[Agreement], slot: datetime, price: Decimal
    ) -> tuple[Fraction, Fraction] | None:
        cost, quantity, cards = Fraction(0), 0, 0
        for each in new:
            used = self.used.get((each.pk, slot))
            cards += each.cards
            if used is not None:
                quantity += used[0]
                cost += Fraction(used[1]) * Fraction(each.allocation.fx_rate)
        if not quantity:
            return None
        agreed = old.cards * Fraction(price) * Fraction(quantity, cards * 3600)
        return cost / Fraction(old.allocation.fx_rate), agreed


def _told(figure: Fraction) -> str:
    return f"{from_pico(round(figure * PICO)):f}"
