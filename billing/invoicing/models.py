"""Invoices to buyers and statements to owners, made from charges at the close of a period."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from billing.ledger.models import Journal
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import CurrencyCode


class BillingPeriod(models.Model):
    """An interval whose charges are invoiced together. Closed once, never reopened."""

    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="period_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%F %H:%M} – {self.ends_at:%F %H:%M}"


class Document(models.Model):
    """A finalised invoice (to a buyer) or statement (to an owner). It never changes.

    Amounts are minor units (fen, cents) of the currency.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", _("Invoice")
        STATEMENT = "statement", _("Statement")

    kind = models.CharField(max_length=10, choices=Kind)
    number = models.CharField(max_length=24, unique=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="documents")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="documents")
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    total = models.BigIntegerField()
    finalised_at = models.DateTimeField()
    journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="documents")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "organisation", "period", "currency"], name="document_once_a_period"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["organisation", "kind", "-id"])]
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.number


class Line(models.Model):
    """All charges of one agreement in a period. The only place where money is rounded.

    ``exact`` is the sum of its charges' amounts (or credits, on a statement); ``amount`` is that sum
    in minor units.
    """

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="lines")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="lines")
    quantity = models.BigIntegerField(help_text="card-seconds")
    exact = models.DecimalField(max_digits=28, decimal_places=12)
    amount = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "agreement"], name="line_once_an_agreement"),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}/{self.pk}"


class InvoicedCharge(models.Model):
    """Which charge stands on which invoice line and statement line: each charge once."""

    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, primary_key=True, related_name="invoiced")
    invoice_line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="invoiced_charges")
    statement_line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="credited_charges")

    class Meta:
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"charge {self.charge_id}"
