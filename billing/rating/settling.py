"""Settling the months of term agreements: from the usage of their call-offs to charges of their own.

A month is settled once all of its slots were rated and nothing of them waits for a person. All months so far
are computed again then (``rating.settlement``), for one month's rights are used by another. Where that gives
something else than was charged, the difference becomes a correction: with the slot of its month, naming the
charge it corrects. So the order in which usage arrives leaves no trace in the sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction
from django.db.models import BigIntegerField, Exists, F, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.actors import Actor
from billing.locks import try_billing_lock
from billing.metering.storage import cutoff_now
from billing.money import SECONDS_AN_HOUR, commission_of, priced
from billing.rating.models import OF_MONTHS, Charge, MonthSettlement, ParkedUsage, RatingRun
from billing.rating.records import make_run
from billing.rating.settlement import Kind as DueKind
from billing.rating.settlement import Settlement, Use, settle
from marketplace.agreements.models import Agreement
from marketplace.clock import HOUR, next_hour
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement, TermVersion, sheets_of
from marketplace.terms.sheet import MICRO, PLACES, Sheet

METHOD = "term-settlement/1"
A_RUN = 200
Kind = Charge.Kind
NOT_SETTLED = ParkedUsage.Reason.NOT_SETTLED
log = structlog.get_logger(__name__)
NOTHING = (0, Decimal(0))
# Kind and price: charges of one correct each other, and stand on one line.
Item = tuple[Charge.Kind, Decimal]


@dataclass(frozen=True, slots=True)
class Settled:
    """One month of an agreement: what it came to, and the charges that are missing until it is booked."""

    row: MonthSettlement
    charges: Sequence[Charge]


def settle_months(*, now: datetime, actor: Actor) -> list[RatingRun]:
    """Settle what is due of term agreements, at most ``A_RUN`` of them, each in a run of its own.

    One that cannot be settled stops nobody else: it is parked for the operators, and tried again in each
    turn. Stops early when rating or closing is under way.
    """
    newest = RatingRun.objects.order_by("-horizon", "-pk").first()
    if newest is None:
        return []
    runs = []
    for agreement in due_agreements(newest.horizon).values_list("pk", flat=True)[:A_RUN]:
        try:
            run = _settle_alone(agreement, now=now, actor=actor)
        except Exception as error:
            log.exception("months_not_settled", agreement=agreement)
            _park(agreement, error, newest, now=now, actor=actor)
        else:
            if run is None:
                break
            runs.append(run)
    return runs


@transaction.atomic
def _settle_alone(pk: int, *, now: datetime, actor: Actor) -> RatingRun | None:
    """None where rating or closing is under way."""
    if not try_billing_lock():
        return None
    rated = RatingRun.objects.aggregate(until=Max("horizon"))["until"]
    cutoff = cutoff_now()
    agreement = Agreement.objects.select_related("term").get(pk=pk)
    settled = settlements([agreement], until=rated, at=now, last_reading=cutoff.reading)
    waiting = ParkedUsage.objects.filter(agreement=pk, reason=NOT_SETTLED, resolved_at=None)
    run = make_run(
        [charge for each in settled for charge in each.charges],
        method=METHOD,
        now=now,
        horizon=rated,
        cutoff=cutoff,
        parked_resolved=waiting.update(resolved_at=now),
    )
    rows = _to_write([each.row for each in settled])
    for row in rows:
        row.run = run
    MonthSettlement.objects.bulk_create(rows)
    data = {"months": len(rows), "charges": run.charges_made, "charges_sha256": run.charges_digest}
    audit.record(actor=actor, action="rating.months_settled", target=run, now=now, data=data)
    return run


@transaction.atomic
def _park(pk: int, error: Exception, run: RatingRun, *, now: datetime, actor: Actor) -> None:
    """Show the operators that the months of an agreement could not be settled, once; the log has the rest."""
    agreement = Agreement.objects.select_related("term").get(pk=pk)
    ended = [end for _, end in agreement.term.spans if end <= run.horizon] if agreement.term else []
    parked, is_new = ParkedUsage.objects.get_or_create(
        agreement=agreement,
        reason=NOT_SETTLED,
        resolved_at=None,
        defaults={"run": run, "slot": ended[-1] - HOUR, "details": {"error": type(error).__name__}},
    )
    if is_new:
        data = {"agreement": pk, "error": type(error).__name__}
        audit.record(actor=actor, action="rating.months_parked", target=parked, now=now, data=data)


def months_of(term: TermAgreement) -> QuerySet[MonthSettlement]:
    """The settled months of a term agreement, as they were settled last, the first first."""
    return newest_months(Agreement.objects.filter(term=term, kind=Agreement.Kind.TERM).values("pk"))


def newest_months(agreements: Any) -> QuerySet[MonthSettlement]:
    """What holds of each month of these agreements, in the order of the months."""
    same = MonthSettlement.objects.filter(agreement=OuterRef("agreement"), month=OuterRef("month"))
    rows = MonthSettlement.objects.filter(~Exists(same.filter(run__gt=OuterRef("run"))))
    return rows.filter(agreement__in=agreements).order_by("agreement", "month")


def _to_write(rows: Sequence[MonthSettlement]) -> list[MonthSettlement]:
    """Those that say something new, and the last month of each agreement: it says that this was looked at."""
    before = {(row.agreement_id, row.month): row for row in newest_months({row.agreement_id for row in rows})}
    last = {row.agreement_id: row.month for row in rows}
    return [
        row
        for row in rows
        if row.month == last[row.agreement_id] or not _same(row, before.get((row.agreement_id, row.month)))
    ]


def _same(row: MonthSettlement, other: MonthSettlement | None) -> bool:
    told = [
        field.attname for field in MonthSettlement._meta.concrete_fields if field.name not in {"id", "run"}
    ]
    return other is not None and all(getattr(row, name) == getattr(other, name) for name in told)


def due_agreements(rated: datetime) -> QuerySet[Agreement]:
    """Term agreements with a month that has ended since, or with usage that was charged since.

    Not those of which usage in a month that has ended waits for a person: what it comes to is not known yet.
    """
    last = MonthSettlement.objects.filter(agreement=OuterRef("pk")).order_by("-run", "-month")
    placed = {"agreement__term": OuterRef("term"), "agreement__kind": Agreement.Kind.CALL_OFF}
    usage = Charge.objects.filter(**placed, kind=Kind.USAGE, run__gt=OuterRef("last_run"))
    parked = ParkedUsage.objects.filter(**placed, resolved_at=None).order_by("slot").values("slot")
    known = (
        Agreement.objects.filter(kind=Agreement.Kind.TERM, starts_at__lt=rated)
        .select_related("term")
        .annotate(
            last_run=Coalesce(Subquery(last.values("run")[:1]), 0, output_field=BigIntegerField()),
            settled_until=Coalesce(Subquery(last.values("ends_at")[:1]), F("starts_at")),
        )
        .annotate(used=Exists(usage.filter(slot__lt=OuterRef("settled_until"))))
        .annotate(waits_from=Subquery(parked[:1]))
        .order_by("pk")
    )
    due = [each.pk for each in known if _is_due(each, rated)]
    return Agreement.objects.filter(pk__in=due).select_related("term").order_by("pk")


def _is_due(agreement: Any, rated: datetime) -> bool:
    """Of one with the annotations of ``due_agreements``."""
    ended = _ended(agreement, rated)
    if agreement.waits_from is not None and _ended(agreement, agreement.waits_from) < ended:
        return False
    return agreement.used or ended > _ended(agreement, agreement.settled_until)


def settlements(
    agreements: Collection[Agreement],
    *,
    until: datetime,
    at: datetime,
    last_reading: int,
    before: int | None = None,
) -> list[Settled]:
    """The months that ended by ``until``, by the terms as they were at ``at``.

    By what was charged so far, or before a run, if one is named.
    """
    return [
        settled
        for agreement in sorted(agreements, key=lambda one: one.pk)
        for settled in _Months(agreement, until, at, before).settled(last_reading)
    ]


def _ended(agreement: Agreement, moment: datetime) -> int:
    """How many months have ended by a moment."""
    return sum(end <= moment for _, end in agreement.term.spans) if agreement.term else 0


class _Months:
    """The months of one agreement that have ended, with what was used and charged in each."""

    def __init__(self, agreement: Agreement, until: datetime, at: datetime, before: int | None) -> None:
        if agreement.term is None:
            raise ValueError(f"{agreement} is no term agreement")
        self.agreement = agreement
        # Inside, everything is in millionths of a unit-second; rows and charges count the unit's own parts.
        self.part = MICRO // agreement.unit.parts
        self.spans = agreement.term.spans[: _ended(agreement, until)]
        accepted = agreement.term.versions.filter(state=TermVersion.State.ACCEPTED, closed_at__lte=at)
        self.sheets = sheets_of(agreement.term, list(accepted))[: len(self.spans)]
        charges = Charge.objects.all() if before is None else Charge.objects.filter(run__lt=before)
        self.offered = [_offered(agreement.term, start, end) for start, end in self.spans]
        self.delivered, self.failed = self._usage(charges.filter(kind=Kind.USAGE))
        self.uses = [self._use(month) for month in range(len(self.spans))]
        self.given: dict[tuple[datetime, str], list[Charge]] = defaultdict(list)
        for charge in charges.filter(agreement=agreement, kind__in=OF_MONTHS).order_by("sequence"):
            self.given[charge.slot, charge.kind].append(charge)

    def settled(self, last_reading: int) -> Iterator[Settled]:
        found = settle(list(zip(self.sheets, self.uses, strict=True)))
        for month, (sheet, settlement) in enumerate(zip(self.sheets, found, strict=True)):
            owed = _owed(sheet, settlement)
            charges = [
                charge
                for item in self._items(month, owed)
                if (charge := self._missing(month, item, owed.get(item, NOTHING), last_reading))
            ]
            amount = sum((amount for _, amount in owed.values()), Decimal())
            yield Settled(self._row(month, sheet, settlement, amount), charges)

    def _items(self, month: int, owed: Collection[Item]) -> Sequence[Item]:
        """What is owed for a month, or was charged for it."""
        slot = self.spans[month][1] - HOUR
        charged = {(kind, charge.price) for kind in OF_MONTHS for charge in self.given[slot, kind]}
        return sorted(charged | set(owed), key=lambda item: (OF_MONTHS.index(item[0]), item[1]))

    def _use(self, month: int) -> Use:
        quantity = self.sheets[month].quantity * SECONDS_AN_HOUR
        missing = max(quantity - self.offered[month], 0)
        return Use(delivered=self.delivered[month], undelivered=missing + self.failed[month])

    def _usage(self, usage: QuerySet[Charge]) -> tuple[list[int], list[int]]:
        """Of the call-offs what was delivered and what was not, month by month.

        A card-second counts as itself, or as what a card does by its call-off.
        """
        placed = Agreement.objects.filter(term=self.agreement.term_id, kind=Agreement.Kind.CALL_OFF)
        rows = placed.values_list("pk", "cards", "starts_at", "ends_at", "np_per_card")
        counts = {pk: _counts_for(np_per_card) for pk, *_, np_per_card in rows}
        used = usage.filter(agreement__in=placed).order_by().values_list("agreement", "slot")
        charged = {(pk, slot): total * counts[pk] for pk, slot, total in used.annotate(Sum("quantity"))}
        called_off: dict[tuple[int, datetime], int] = {}
        for pk, cards, start, end, _ in rows:
            for number in range((end - start) // HOUR):
                called_off[pk, start + number * HOUR] = cards * SECONDS_AN_HOUR * counts[pk]
        failed = {key: max(owed - charged.get(key, 0), 0) for key, owed in called_off.items()}
        return self._by_month(charged), self._by_month(failed)

    def _by_month(self, quantities: Mapping[tuple[int, datetime], int]) -> list[int]:
        return [
            sum(each for (_, slot), each in quantities.items() if start <= slot < end)
            for start, end in self.spans
        ]

    def _missing(self, month: int, item: Item, owed: tuple[int, Decimal], last_reading: int) -> Charge | None:
        """What is to be charged until the charges of a month, kind and price are what is owed."""
        kind, price = item
        slot = self.spans[month][1] - HOUR
        of_kind = self.given[slot, kind]
        given = [charge for charge in of_kind if charge.price == price]
        commission = commission_of(owed[1], self.agreement.commission_rate)
        quantity = owed[0] // self.part - sum(charge.quantity for charge in given)
        amount = owed[1] - sum(charge.amount for charge in given)
        commission -= sum(charge.commission for charge in given)
        if not (quantity or amount or commission):
            return None
        missing = Charge(
            kind=kind,
            agreement=self.agreement,
            slot=slot,
            sequence=of_kind[-1].sequence + 1 if of_kind else 0,
            corrects=given[-1] if given else None,
            quantity=quantity,
            committed=0,
            price=price,
            currency=self.agreement.currency,
            amount=amount,
            commission=commission,
            credit=amount - commission,
            last_reading=last_reading,
        )
        of_kind.append(missing)
        return missing

    def _row(self, month: int, sheet: Sheet, settlement: Settlement, amount: Decimal) -> MonthSettlement:
        start, end = self.spans[month]
        figures = {
            "quantity": sheet.quantity * SECONDS_AN_HOUR,
            "offered": self.offered[month],
            "delivered": self.delivered[month],
            "undelivered": self.failed[month],
            "minimum": settlement.minimum,
            "shortfall": settlement.shortfall,
            "overage": sum(due.quantity for due in settlement.dues if due.kind is DueKind.OVERAGE),
            "carried": settlement.carried,
            "made_up": settlement.made_up,
            "make_up_left": sum(right.left for right in settlement.make_up),
            "carry_forward_left": sum(right.left for right in settlement.carry_forward),
        }
        return MonthSettlement(
            agreement=self.agreement,
            month=month,
            starts_at=start,
            ends_at=end,
            amount=amount,
            **{name: figure // self.part for name, figure in figures.items()},
        )


def _offered(term: TermAgreement, start: datetime, end: datetime) -> int:
    """What was reserved, in millionths of a unit-second. Of what was withdrawn, what was sold.

    An hour was offered if a run could still have sold it: a run sells from the hour after it on, so none
    that had begun when the offer was entered, and none of an offer of which less than its shortest sale is
    left then. Of hours gone by nobody changes that any more: their offers stay as they are, and a withdrawal
    is of hours to come. A card counts for what it did when the offer was entered.
    """
    offers = Offer.objects.filter(reserved_for=term, starts_at__lt=end, ends_at__gt=start)
    offered = 0
    for offer in offers:
        first = max(offer.starts_at, next_hour(offer.entered_at))
        if offer.ends_at - first < offer.minimum_hours * HOUR:
            continue
        until = min(end, offer.ends_at, offer.withdrawn_at or end)
        # An hour that had begun when it was withdrawn was offered.
        hours = offer.cards * max(-((max(start, first) - until) // HOUR), 0)
        if offer.withdrawn_at is not None:
            later = offer.hours.filter(slot__gte=max(start, offer.withdrawn_at), slot__lt=end)
            hours += later.aggregate(sold=Sum("cards_sold"))["sold"] or 0
        offered += hours * _counts_for(offer.np_per_card)
    return offered * SECONDS_AN_HOUR


def _counts_for(np_per_card: Decimal | None) -> int:
    """How many millionths of a unit a card is: a whole card, or its nP."""
    return MICRO if np_per_card is None else int(np_per_card.scaleb(PLACES))


def _owed(sheet: Sheet, settlement: Settlement) -> dict[Item, tuple[int, Decimal]]:
    """By kind of charge and price, millionths of unit-seconds and what they cost beside the usage.

    Of overage that is what the price of its tier is above the base price; units that were taken beyond the
    quantity at the base price are in no charge.
    """
    owed: dict[Item, tuple[int, Decimal]] = {}
    for due in settlement.dues:
        base = priced(due.quantity, sheet.price)
        if due.kind is DueKind.OVERAGE and due.price != sheet.price:
            _add(owed, (Kind.OVERAGE, _price(due.price - sheet.price)), due.quantity, due.amount - base)
        elif due.kind is DueKind.SHORTFALL:
            _add(owed, (Kind.SHORTFALL, _price(sheet.price)), due.quantity, due.amount)
        elif due.kind is DueKind.MAKE_UP:
            _add(owed, (Kind.MAKE_UP, _price(sheet.price)), -due.quantity, -base)
    return owed


def _price(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-PLACES)


def _add(owed: dict[Item, tuple[int, Decimal]], item: Item, quantity: int, amount: Decimal) -> None:
    before = owed.get(item, NOTHING)
    owed[item] = before[0] + quantity, before[1] + amount
