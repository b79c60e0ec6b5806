"""Service levels: what a delivery kept of its promise, once it is over and rated, and the credit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.actors import Actor
from billing.locks import try_billing_lock
from billing.metering.models import Meter, Reading
from billing.metering.storage import cutoff_now
from billing.rating.availability import Credit, Service, credit_of, longest_outage
from billing.rating.lump_sums import last_look, lump_sum
from billing.rating.models import Charge, ParkedUsage, RatingRun, ServiceLevel
from billing.rating.records import make_run
from marketplace.agreements.models import Agreement
from marketplace.agreements.terms import ServiceLevelTerms, service_level
from marketplace.clock import HOUR
from marketplace.delivery.models import OVER, Delivery, Suspension

METHOD = "service-level/1"
A_RUN = 500
Kind = Charge.Kind


@dataclass(frozen=True, slots=True)
class Assessed:
    """One agreement's service level, its credit, and the charge that is missing until it is given."""

    agreement: Agreement
    service: Service
    credit: Credit
    short: list[list[Any]]
    charge: Charge | None


@transaction.atomic
def assess_service_levels(*, now: datetime, actor: Actor) -> RatingRun | None:
    """Give the credits of deliveries that are over, rated, and wait for nobody; at most ``A_RUN`` of them.

    An agreement is assessed again when its usage was charged anew, by late readings or a person's decision,
    and the difference is a correction. None where nothing is due, or rating is under way.
    """
    if not try_billing_lock():
        return None
    rated = RatingRun.objects.aggregate(until=Max("horizon"))["until"]
    due = list(due_agreements(rated)[:A_RUN]) if rated else []
    if not due:
        return None
    cutoff = cutoff_now()
    assessed = assess(due, until=cutoff.reading)
    run = make_run(
        [each.charge for each in assessed if each.charge is not None],
        method=METHOD,
        now=now,
        horizon=rated,
        cutoff=cutoff,
    )
    ServiceLevel.objects.bulk_create(_level(run, each) for each in assessed)
    data = {"agreements": len(assessed), "charges": run.charges_made, "charges_sha256": run.charges_digest}
    audit.record(actor=actor, action="rating.service_levels_assessed", target=run, now=now, data=data)
    return run


def due_agreements(rated: datetime) -> QuerySet[Agreement]:
    """Those whose window and delivery are over and rated, and whose usage was charged since the last look."""
    usage = Charge.objects.filter(agreement=OuterRef("pk"), kind=Kind.USAGE, run__gt=OuterRef("last_run"))
    parked = ParkedUsage.objects.filter(agreement=OuterRef("pk"), resolved_at=None)
    over = Q(delivery__state__in=OVER, ends_at__lte=rated) & ~Q(delivery__fault=Delivery.Fault.BUYER)
    end = Coalesce("delivery__active_until", F("ends_at"))
    return (
        Agreement.objects.filter(over, terms__sla__isnull=False, delivery__rated__until__gte=end)
        .annotate(last_run=last_look(ServiceLevel))
        .filter(Exists(usage), ~Exists(parked))
        .order_by("pk")
    )


def assess(agreements: Collection[Agreement], *, until: int, before: int | None = None) -> list[Assessed]:
    """What readings up to ``until`` come to, and charges; those before a run, if one is named."""
    facts = _Facts(agreements, until=until, before=before)
    return [
        facts.assessed(agreement, terms)
        for agreement in sorted(agreements, key=lambda one: one.pk)
        if (terms := service_level(agreement.terms)) is not None
    ]


class _Facts:
    """Charges and readings of many agreements, in four queries."""

    def __init__(self, agreements: Collection[Agreement], *, until: int, before: int | None) -> None:
        self.until = until
        pks = [agreement.pk for agreement in agreements]
        charges = Charge.objects.filter(agreement__in=pks).order_by()
        if before is not None:
            charges = charges.filter(run__lt=before)
        usage = charges.filter(kind=Kind.USAGE).values_list("agreement", "slot")
        self.used: dict[int, dict[datetime, tuple[int, Decimal, Decimal]]] = defaultdict(dict)
        for agreement, slot, *sums in usage.annotate(Sum("quantity"), Sum("amount"), Sum("commission")):
            quantity, amount, commission = sums
            self.used[agreement][slot] = quantity, amount, commission
        self.given: dict[int, list[Charge]] = defaultdict(list)
        for charge in charges.filter(kind=Kind.SLA_CREDIT).order_by("sequence"):
            self.given[charge.agreement_id].append(charge)
        self.covered = _covered(pks, until)
        self.suspended = _suspended(pks)

    def assessed(self, agreement: Agreement, terms: ServiceLevelTerms) -> Assessed:
        used, owed_a_slot = self.used[agreement.pk], agreement.cards * 3600
        slots = _slots(agreement)
        delivered = {slot: min(used[slot][0], owed_a_slot) if slot in used else 0 for slot in slots}
        service = Service(
            owed=owed_a_slot * len(slots),
            delivered=sum(delivered.values()),
            longest_outage=max(
                longest_outage(agreement.starts_at, agreement.ends_at, self.covered[agreement.pk]),
                self.suspended[agreement.pk],
            ),
            charged=sum((amount for _, amount, _ in used.values()), Decimal(0)),
            commission=sum((commission for _, _, commission in used.values()), Decimal(0)),
        )
        credit = credit_of(terms, service)
        short = [
            [slot.isoformat(), owed_a_slot, quantity]
            for slot, quantity in delivered.items()
            if quantity < owed_a_slot
        ]
        charge = lump_sum(
            Kind.SLA_CREDIT,
            agreement,
            slots[-1],
            amount=-credit.amount,
            commission=-credit.commission,
            given=self.given[agreement.pk],
            last_reading=self.until,
        )
        return Assessed(agreement, service, credit, short, charge)


def _slots(agreement: Agreement) -> list[datetime]:
    hours = (agreement.ends_at - agreement.starts_at) // HOUR
    return [agreement.starts_at + number * HOUR for number in range(hours)]


def _covered(agreements: Iterable[int], until: int) -> dict[int, list[tuple[datetime, datetime]]]:
    """The intervals in which readings, as corrected, say that cards were there."""
    deliveries = dict(Delivery.objects.filter(agreement__in=agreements).values_list("pk", "agreement"))
    readings = Reading.objects.filter(delivery__in=deliveries, meter=Meter.ALLOCATED, pk__lte=until)
    rows = readings.order_by().values_list("delivery", "starts_at", "ends_at").annotate(Sum("quantity"))
    covered: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for delivery, starts_at, ends_at, quantity in rows:
        if quantity > 0:
            covered[deliveries[delivery]].append((starts_at, ends_at))
    return covered


def _suspended(agreements: Iterable[int]) -> dict[int, timedelta]:
    """The longest time in which a delivery was suspended: readings of whole hours do not show it."""
    longest: dict[int, timedelta] = defaultdict(timedelta)
    rows = Suspension.objects.filter(delivery__agreement__in=agreements, ends_at__isnull=False)
    lengths = rows.annotate(length=F("ends_at") - F("starts_at")).values_list("delivery__agreement", "length")
    for agreement, length in lengths:
        longest[agreement] = max(longest[agreement], length)
    return longest


def _level(run: RatingRun, each: Assessed) -> ServiceLevel:
    return ServiceLevel(
        run=run,
        agreement=each.agreement,
        charge=each.charge,
        owed=each.service.owed,
        delivered=each.service.delivered,
        longest_outage=each.service.longest_outage,
        charged=each.service.charged,
        share=each.credit.share,
        credited=each.credit.amount,
        short_slots=each.short,
    )
