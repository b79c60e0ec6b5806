"""Computing power purchase agreements."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import Organisation
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import CurrencyCode, ProfileVersion
from marketplace.clearing.models import Allocation


class Agreement(models.Model):
    """A spot agreement: one allocation, at the prices of its run. It never changes.

    ``terms`` is everything that rating needs, frozen: see ``agreements.terms``.
    """

    allocation = models.OneToOneField(Allocation, on_delete=models.PROTECT, related_name="agreement")
    buyer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="purchases")
    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="sales")
    profile_version = models.ForeignKey(ProfileVersion, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    cards = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    card_hours = models.PositiveBigIntegerField()
    value = models.DecimalField(max_digits=20, decimal_places=6, help_text="price of all card-hours")
    commission_rate = models.DecimalField(max_digits=7, decimal_places=6)
    terms = models.JSONField()
    terms_digest = models.CharField(max_length=64)
    concluded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(cards__gt=0, card_hours__gt=0), name="agreement_quantity"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="agreement_not_empty"),
            models.CheckConstraint(condition=~Q(buyer=F("owner")), name="agreement_between_two_parties"),
            models.CheckConstraint(
                condition=Q(commission_rate__gte=0, commission_rate__lt=1), name="agreement_commission_rate"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["buyer", "-id"]),
            models.Index(fields=["owner", "-id"]),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"A{self.pk}"
