"""Charges: readings × agreement terms, at full precision."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from marketplace.agreements.models import Agreement
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import CurrencyCode
from marketplace.delivery.models import Delivery
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED, Guard, changes_once, refers_to

RUN_IS_SEALED_ONCE = changes_once(
    "sealed_once",
    unless="OLD.charges_digest <> '' OR NEW.charges_digest = ''",
    only="'charges_digest'",
    problem="a rating run is sealed once, and does not change",
    constraint="run_sealed_once",
)
RUN_IS_SEALED = Guard(
    name="is_sealed",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    func="""
        PERFORM 1 FROM rating_ratingrun WHERE id = NEW.id AND charges_digest = '';
        IF FOUND THEN
            RAISE EXCEPTION 'rating run % is not sealed', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'run_is_sealed';
        END IF;
        RETURN NULL;
    """,
)


class RatingRun(models.Model):
    """One pass over the slots that ended by ``horizon`` (market time), and all that it depended on.

    It counted the readings up to ``last_reading`` and no others: all of them were stored at ``stored_until``
    (wall time), so that adding them up again gives the same. ``code`` is the SHA-256 of the source that
    computed it, ``price_basis`` of the terms and prices of the agreements, ``charges_digest`` of the charges
    in their canonical form (``rating.records``). ``sums`` are by currency. ``decision`` is what a person
    decided, where the run is that person's.

    The digest comes last and seals the run, in the transaction that makes it: before, it takes charges, and
    afterwards none.
    """

    started_at = models.DateTimeField(help_text="market time")
    horizon = models.DateTimeField(help_text="market time")
    last_reading = models.BigIntegerField()
    stored_until = models.DateTimeField(help_text="wall time")
    method = models.CharField(max_length=40)
    code = models.CharField(max_length=64)
    price_basis = models.CharField(max_length=64)
    charges_made = models.PositiveIntegerField()
    parked_made = models.PositiveIntegerField()
    parked_resolved = models.PositiveIntegerField()
    sums = models.JSONField()
    charges_digest = models.CharField(max_length=64, blank=True, default="")
    decision = models.JSONField(null=True)

    class Meta:
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, RUN_IS_SEALED_ONCE, RUN_IS_SEALED]

    def __str__(self) -> str:
        return f"rating run {self.pk}"

    def seal(self, charges_digest: str) -> None:
        self.charges_digest = charges_digest
        self.save(update_fields=["charges_digest"])


# The condition is asked before the function is called, so usage pays nothing for it.
OF_A_TERM_AGREEMENT = Guard(
    name="of_a_term_agreement",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__kind__in=["overage", "shortfall", "make_up"]),
    func="""
        PERFORM 1 FROM agreements_agreement WHERE id = NEW.agreement_id AND kind = 'term';
        IF NOT FOUND THEN
            RAISE EXCEPTION '% is charged to term agreements, and % is none', NEW.kind, NEW.agreement_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'charge_of_a_term_agreement';
        END IF;
        RETURN NEW;
    """,
)
# Agreements and runs are never deleted.
AGREEMENT_AND_RUN_ARE_THERE = refers_to(
    {"agreement_id": "agreements_agreement", "run_id": "rating_ratingrun"}
)
RUN_IS_OPEN = Guard(
    name="run_is_open",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT FROM (SELECT DISTINCT run_id FROM added) AS given
            JOIN rating_ratingrun run ON run.id = given.run_id
            WHERE run.charges_digest <> ''
        ) THEN
            RAISE EXCEPTION 'a sealed rating run takes no more charges'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'charge_of_an_open_run';
        END IF;
        RETURN NULL;
    """,
)


class Charge(models.Model):
    """What one agreement owes for one slot, or a correction that names the charge it corrects.

    ``amount`` = quantity × price / 3600, full precision; ``commission`` + ``credit`` = ``amount``.
    A correction carries the difference to what the slot costs now, so the charges of a slot add up to
    what one charge for all of its readings would say, to the last decimal place. The readings that a
    charge added are those after the ``last_reading`` of the charge it corrects, up to its own.
    ``committed`` is what the delivery could have at most, as was known then.

    A credit for a service level that was not kept is a charge below zero, of no card-seconds and no price,
    on the last slot of its agreement; it has corrections of its own. So is what the replacement of an
    agreement cost beyond it: its owner bears all of that, and no commission changes.

    What a month of a term agreement owes beside the usage of its call-offs stands on the last slot of the
    month: the overage of each tier, of which the price is what the tier costs above the agreed one (its first
    charge corrects nothing, whatever its number), a shortfall, and what was made up, which gives back what
    its usage cost. ``MonthSettlement`` has the figures that they follow from. Where the agreement is in
    nP-hours, these count millionths of nP-seconds; usage is always in card-seconds.
    """

    class Kind(models.TextChoices):
        USAGE = "usage", pgettext_lazy("charge", "Usage")
        SLA_CREDIT = "sla_credit", _("Credit for the service level")
        COVER = "cover", pgettext_lazy("charge", "Cost of the replacement")
        OVERAGE = "overage", pgettext_lazy("charge", "Overage")
        SHORTFALL = "shortfall", pgettext_lazy("charge", "Shortfall")
        MAKE_UP = "make_up", pgettext_lazy("charge", "Made up")

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.USAGE)
    # What both must be is checked a statement at a time; ``charge_once_a_slot`` finds those of an agreement.
    run = models.ForeignKey(
        RatingRun, on_delete=models.PROTECT, related_name="charges", db_constraint=False, db_index=False
    )
    agreement = models.ForeignKey(
        Agreement, on_delete=models.PROTECT, related_name="charges", db_constraint=False, db_index=False
    )
    slot = models.DateTimeField()
    sequence = models.PositiveIntegerField(default=0)
    corrects = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    quantity = models.BigIntegerField(help_text="card-seconds, or parts of those of the agreement's unit")
    committed = models.PositiveBigIntegerField(help_text="card-seconds")
    price = models.DecimalField(max_digits=18, decimal_places=6)
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    amount = models.DecimalField(max_digits=28, decimal_places=12)
    commission = models.DecimalField(max_digits=28, decimal_places=12)
    credit = models.DecimalField(max_digits=28, decimal_places=12)
    last_reading = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agreement", "slot", "kind", "sequence"], name="charge_once_a_slot"
            ),
            models.UniqueConstraint(
                fields=["corrects"], condition=Q(corrects__isnull=False), name="charge_corrected_once"
            ),
            models.CheckConstraint(
                condition=Q(sequence=0, corrects__isnull=True)
                | Q(sequence__gt=0, corrects__isnull=False)
                | Q(kind="overage", corrects__isnull=True),
                name="charge_correction_names_its_charge",
            ),
            models.CheckConstraint(
                condition=Q(amount=F("commission") + F("credit")), name="charge_sides_add_up"
            ),
            models.CheckConstraint(
                condition=Q(kind="usage", price__gt=0)
                | Q(kind__in=["sla_credit", "cover"], price=0, quantity=0, committed=0)
                | (Q(kind="overage", committed=0) & ~Q(price=0))
                | Q(kind__in=["shortfall", "make_up"], price__gt=0, committed=0),
                name="charge_has_a_price",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["sla_credit", "cover"], sequence=0) | Q(amount__lt=0),
                name="charge_credit_gives_back",
            ),
            models.CheckConstraint(
                condition=(~Q(kind="overage", corrects__isnull=True) | Q(quantity__gt=0))
                & (~Q(kind="shortfall", sequence=0) | Q(quantity__gt=0, amount__gt=0))
                & (~Q(kind="make_up", sequence=0) | Q(quantity__lt=0, amount__lt=0)),
                name="charge_of_a_month_has_its_sign",
            ),
        ]
        # Charges are stored run by run, and runs hour by hour: blocks are found as well as rows would be.
        indexes: ClassVar = [
            BrinIndex(fields=["slot"], name="charge_slot"),
            BrinIndex(fields=["run"], name="charge_run"),
        ]
        triggers: ClassVar = [
            OF_A_TERM_AGREEMENT,
            AGREEMENT_AND_RUN_ARE_THERE,
            RUN_IS_OPEN,
            NEVER_EMPTIED,
            NEVER_CHANGED,
        ]

    def __str__(self) -> str:
        return f"C{self.pk}"


# What months of term agreements owe beside their usage.
OF_MONTHS = (Charge.Kind.OVERAGE, Charge.Kind.SHORTFALL, Charge.Kind.MAKE_UP)


class ServiceLevel(models.Model):
    """What one agreement kept of its promise, as a run found it, and what is credited for the rest.

    ``charge`` is what the run added until the credits are ``credited``, where something was missing.
    ``short_slots`` are the evidence: slot, card-seconds owed, card-seconds delivered.
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="service_levels")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="service_levels")
    charge = models.OneToOneField(Charge, null=True, on_delete=models.PROTECT, related_name="service_level")
    owed = models.BigIntegerField(help_text="card-seconds")
    delivered = models.BigIntegerField(help_text="card-seconds")
    longest_outage = models.DurationField()
    charged = models.DecimalField(max_digits=28, decimal_places=12)
    share = models.DecimalField(max_digits=7, decimal_places=6)
    credited = models.DecimalField(max_digits=28, decimal_places=12)
    short_slots = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "run"], name="service_level_once_a_run"),
            models.CheckConstraint(
                condition=Q(credited__gte=0, credited__lte=F("charged")), name="service_level_credit_at_most"
            ),
            models.CheckConstraint(
                condition=Q(owed__gt=0, delivered__gte=0, delivered__lte=F("owed")),
                name="service_level_delivered_at_most",
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id}: {self.delivered} of {self.owed}"

    @property
    def availability(self) -> Decimal:
        return Decimal(self.delivered) / self.owed


class Cover(models.Model):
    """What the replacement of one agreement had cost beyond it when a run looked; the newest row holds.

    ``charge`` is what the run added until the covers are the ``total``. ``hours`` are the evidence: hour,
    what it cost, what it would have cost.
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="covers")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="covers")
    charge = models.OneToOneField(Charge, null=True, on_delete=models.PROTECT, related_name="cover")
    total = models.DecimalField(max_digits=28, decimal_places=12)
    hours = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "run"], name="cover_once_a_run"),
            models.CheckConstraint(condition=Q(total__gte=0), name="cover_not_negative"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.agreement_id}: {self.total}"


class MonthSettlement(models.Model):
    """What a month of a term agreement came to, as a run found it; the newest row of a month holds.

    Quantities are card-seconds, or millionths of nP-seconds where the agreement is in nP-hours. ``quantity``
    was committed, and ``offered`` was reserved for the agreement. ``minimum`` had to be taken, after what was
    not offered of the quantity and what of the call-offs was ``undelivered``. ``carried`` was covered by
    carry-forward rights and ``made_up`` by make-up rights; of these, ``make_up_left`` and
    ``carry_forward_left`` are there after the month.
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="months")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="months")
    month = models.PositiveSmallIntegerField(help_text="0 is the first")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    quantity = models.BigIntegerField()
    offered = models.BigIntegerField()
    delivered = models.BigIntegerField()
    undelivered = models.BigIntegerField()
    minimum = models.BigIntegerField()
    shortfall = models.BigIntegerField()
    overage = models.BigIntegerField(help_text="taken and paid beyond the quantity")
    carried = models.BigIntegerField()
    made_up = models.BigIntegerField()
    make_up_left = models.BigIntegerField()
    carry_forward_left = models.BigIntegerField()
    amount = models.DecimalField(max_digits=28, decimal_places=12, help_text="beside the usage")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "month", "run"], name="month_settled_once_a_run"),
            models.CheckConstraint(
                condition=Q(delivered__gte=0, undelivered__gte=0, shortfall__gte=0, overage__gte=0)
                & Q(minimum__gte=0, minimum__lte=F("quantity")),
                name="month_quantities",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="month_not_empty"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id} month {self.month}"


class ParkedUsage(models.Model):
    """A slot that could not be rated, or the last of months that could not be settled, waiting for a person.

    A missing fact is never a zero.

    It is resolved by readings that come after all, or by an operator's ``decision``: how many
    card-seconds are charged, and why.
    """

    class Reason(models.TextChoices):
        NO_READINGS = "no_readings", _("Active delivery without readings")
        NO_PRICE = "no_price", _("The allocation has no price for the slot")
        OVERAGE = "overage", _("More card-seconds than the agreement commits")
        SETTLED = "settled", _("Readings came after a dispute had settled the hour")
        NOT_SETTLED = "not_settled", _("The months of a term agreement could not be settled")

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="parked")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="parked_usage")
    slot = models.DateTimeField()
    reason = models.CharField(max_length=20, choices=Reason)
    details = models.JSONField()
    resolved_at = models.DateTimeField(null=True)
    decision = models.JSONField(null=True)

    class Meta:
        verbose_name_plural = "parked usage"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(decision__isnull=True) | Q(resolved_at__isnull=False),
                name="parked_decision_resolves",
            ),
            models.UniqueConstraint(
                fields=["agreement", "slot", "reason"],
                condition=Q(resolved_at__isnull=True),
                name="parked_once",
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.slot:%F %H} {self.reason}"

    @property
    def is_decided_by_people(self) -> bool:
        return self.reason in {self.Reason.OVERAGE, self.Reason.SETTLED}


class RatedUntil(models.Model):
    """Every active slot of the delivery that ended by ``until`` has a charge or was parked."""

    delivery = models.OneToOneField(
        Delivery, on_delete=models.PROTECT, primary_key=True, related_name="rated"
    )
    until = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"D{self.delivery_id} until {self.until:%F %H}"
