"""Charges: readings × agreement terms, at full precision."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import CurrencyCode


class RatingRun(models.Model):
    """One pass over the slots that ended before ``cutoff`` (market time)."""

    started_at = models.DateTimeField()
    cutoff = models.DateTimeField()
    method = models.CharField(max_length=40)
    charges_made = models.PositiveIntegerField()
    parked_made = models.PositiveIntegerField()

    class Meta:
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"rating run {self.pk}"


class Charge(models.Model):
    """What one agreement owes for one slot, or a correction that names the charge it corrects.

    ``amount`` = quantity × price / 3600, full precision; ``commission`` + ``credit`` = ``amount``.
    A correction carries the difference and the original slot, so quantities and amounts add up.
    ``last_reading`` is the newest reading counted, so that later ones are known to be late.
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="charges")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="charges")
    slot = models.DateTimeField()
    sequence = models.PositiveSmallIntegerField(default=0)
    corrects = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="corrected_by"
    )
    quantity = models.BigIntegerField(help_text="card-seconds")
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
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"C{self.pk}"


class ParkedUsage(models.Model):
    """A slot that could not be rated, waiting for a person: a missing fact is never a zero."""

    class Reason(models.TextChoices):
        NO_READINGS = "no_readings", _("Active delivery without readings")
        OVERAGE = "overage", _("More card-seconds than the agreement commits")

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="parked")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="parked_usage")
    slot = models.DateTimeField()
    reason = models.CharField(max_length=20, choices=Reason)
    details = models.JSONField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "parked usage"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agreement", "slot", "reason"], condition=Q(resolved_at__isnull=True), name="parked_once"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="keep", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.slot:%F %H} {self.reason}"
