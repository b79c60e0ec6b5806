"""Double-entry journals. They balance, and they never change."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from billing.ledger import triggers
from marketplace.catalogue.models import CurrencyCode
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED


class Account(models.Model):
    """One currency of one kind for one party; the exchange's own accounts have no organisation."""

    class Kind(models.TextChoices):
        RECEIVABLE = "receivable", _("Owed by a buyer")
        PAYABLE = "payable", _("Owed to an owner")
        COMMISSION = "commission", _("The exchange's commission")
        TAX_OWED = "tax_owed", _("Tax on invoices, owed to the authorities")
        TAX_PAID = "tax_paid", _("Tax on statements, to be reclaimed")
        BANK = "bank", _("Money at the bank")
        STRIPE = "stripe", _("Money at Stripe")
        SUSPENSE = "suspense", _("Received, and not known from whom or what for")
        IN_TRANSIT = "in_transit", _("Paid out, and not yet executed")
        FEES = "fees", _("Fees of banks and of Stripe")

    kind = models.CharField(max_length=12, choices=Kind)
    organisation = models.ForeignKey(
        Organisation, null=True, on_delete=models.PROTECT, related_name="ledger_accounts"
    )
    currency = models.CharField(max_length=3, choices=CurrencyCode)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "organisation", "currency"], nulls_distinct=False, name="ledger_account_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["receivable", "payable"], organisation__isnull=False)
                | Q(
                    kind__in=[
                        "commission", "tax_owed", "tax_paid", "bank", "stripe", "suspense", "in_transit",
                        "fees",
                    ],
                    organisation__isnull=True,
                ),
                name="ledger_account_party",
            ),
        ]  # fmt: skip
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.kind} {self.organisation_id or 'exchange'} {self.currency}"


class Journal(models.Model):
    """One movement. ``key`` is what caused it and makes it happen once.

    ``effective_at`` is the market time from which it counts, ``booked_at`` the market time at which it was
    booked, ``stored_at`` the wall time at which the database took it. ``legs`` is how many postings it has.
    """

    key = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200)
    effective_at = models.DateTimeField(help_text="market time")
    booked_at = models.DateTimeField(help_text="market time")
    stored_at = models.DateTimeField(db_default=Now(), editable=False)
    legs = models.PositiveIntegerField()
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(legs__gte=2), name="journal_has_two_legs"),
            models.CheckConstraint(
                condition=Q(effective_at__lte=F("booked_at")), name="journal_not_booked_ahead"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["effective_at"])]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_CHANGED,
            triggers.JOURNAL_STORED_NOW,
            triggers.JOURNAL_BALANCES,
        ]

    def __str__(self) -> str:
        return self.key


class Posting(models.Model):
    """A leg of a journal, in minor units of the account's currency; debits are positive.

    ``item`` is the number of the document that the leg opens or settles: what is open on a document is the
    sum of its item on the account.
    """

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="postings")
    item = models.CharField(max_length=32, blank=True, default="")
    amount = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["journal", "account", "item"], name="posting_once_an_account"),
            models.CheckConstraint(condition=~Q(amount=0), name="posting_not_zero"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["item", "account"], condition=~Q(item=""), name="posting_item"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED, triggers.POSTING_WAS_ANNOUNCED]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount}"


class LedgerCheck(models.Model):
    """One comparison of the ledger with itself and with the documents and payments booked in it."""

    started_at = models.DateTimeField(help_text="market time")
    rules = models.PositiveIntegerField()
    found = models.PositiveIntegerField(help_text="differences that were open afterwards")

    class Meta:
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"ledger check {self.pk}"


class Difference(models.Model):
    """Two figures that should agree and do not. It stays open until a later check finds them equal."""

    rule = models.CharField(max_length=120)
    subject = models.CharField(max_length=120, help_text="what the figures are about, for example a number")
    expected = models.CharField(max_length=120)
    found = models.CharField(max_length=120)
    first_seen = models.ForeignKey(LedgerCheck, on_delete=models.PROTECT, related_name="new_differences")
    resolved_by = models.ForeignKey(
        LedgerCheck, null=True, on_delete=models.PROTECT, related_name="resolved_differences"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=Q(resolved_by=None), name="difference_open_once"
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, triggers.DIFFERENCE_RESOLVED_ONCE]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"
