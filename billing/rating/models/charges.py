"""Charges: readings × agreement terms, at full precision."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.agreements.models import Agreement
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import CurrencyCode
from marketplace.delivery.models import Delivery


class RatingRun(models.Model):
    """One pass over the slots that ended by ``horizon`` (market time), and all that it depended on.

    It counted the readings up to ``last_reading`` and no others: all of them were stored at ``stored_until``
    (wall time), so that adding them up again gives the same. ``code`` is the SHA-256 of the source that
    computed it, ``price_basis`` of the terms and prices of the agreements, ``charges_digest`` of the charges
    in their canonical form (``rating.records``). ``sums`` are by currency. ``decision`` is what a person
    decided, where the run is that person's.
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
    charges_digest = models.CharField(max_length=64)
    decision = models.JSONField(null=True)

    class Meta:
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"rating run {self.pk}"


class Charge(models.Model):
    """What one agreement owes for one slot, or a correction that names the charge it corrects.

    ``amount`` = quantity × price / 3600, full precision; ``commission`` + ``credit`` = ``amount``.
    A correction carries the difference to what the slot costs now, so the charges of a slot add up to
    what one charge for all of its readings would say, to the last decimal place. The readings that a
    charge added are those after the ``last_reading`` of the charge it corrects, up to its own.
    ``committed`` is what the delivery could have at most, as was known then.
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="charges")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="charges")
    slot = models.DateTimeField()
    sequence = models.PositiveIntegerField(default=0)
    corrects = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="corrected_by")
    quantity = models.BigIntegerField(help_text="card-seconds")
    committed = models.PositiveBigIntegerField(help_text="card-seconds")
    price = models.DecimalField(max_digits=18, decimal_places=6)
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    amount = models.DecimalField(max_digits=28, decimal_places=12)
    commission = models.DecimalField(max_digits=28, decimal_places=12)
    credit = models.DecimalField(max_digits=28, decimal_places=12)
    last_reading = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "slot", "sequence"], name="charge_once_a_slot"),
            models.CheckConstraint(
                condition=Q(sequence=0, corrects__isnull=True) | Q(sequence__gt=0, corrects__isnull=False),
                name="charge_correction_names_its_charge",
            ),
            models.CheckConstraint(
                condition=Q(amount=F("commission") + F("credit")), name="charge_sides_add_up"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="charge_has_a_price"),
        ]
        indexes: ClassVar = [models.Index(fields=["slot"])]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"C{self.pk}"


class ParkedUsage(models.Model):
    """A slot that could not be rated, waiting for a person: a missing fact is never a zero.

    It is resolved by readings that come after all, or by an operator's ``decision``: how many
    card-seconds are charged, and why.
    """

    class Reason(models.TextChoices):
        NO_READINGS = "no_readings", _("Active delivery without readings")
        NO_PRICE = "no_price", _("The allocation has no price for the slot")
        OVERAGE = "overage", _("More card-seconds than the agreement commits")
        SETTLED = "settled", _("Readings came after a dispute had settled the hour")

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
