"""Invoices to buyers and statements to owners, made from charges at the close of a period."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from billing.invoicing import triggers
from billing.ledger.models import CurrentTransaction, Journal
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import CurrencyCode


class BillingPeriod(models.Model):
    """An interval whose charges were invoiced together. It is written when it closes, for ever."""

    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="period_not_empty"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%F %H:%M} – {self.ends_at:%F %H:%M}"


class NumberSeries(models.Model):
    """The last number given to a kind of document in a year (UTC). Its row is the lock."""

    kind = models.CharField(max_length=10)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "number series"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "year"], name="number_series_once"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.year}: {self.last}"


class Document(models.Model):
    """A finalised invoice (to a buyer) or statement (to an owner). It never changes.

    Amounts are minor units (fen, cents) of the currency. An invoice has a journal unless there is
    nothing to book; the journals of a statement are those of the invoices on the other side.
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
    transaction = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind="invoice") | Q(kind="statement", journal__isnull=True),
                name="document_journal_is_of_an_invoice",
            ),
            models.UniqueConstraint(
                fields=["kind", "organisation", "period", "currency"], name="document_once_a_period"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["organisation", "kind", "-id"])]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
            triggers.DOCUMENT_IS_ITS_LINES,
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
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
            triggers.LINE_WITH_ITS_DOCUMENT,
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
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
            triggers.CHARGE_WITH_ITS_DOCUMENT,
        ]

    def __str__(self) -> str:
        return f"charge {self.charge_id}"
