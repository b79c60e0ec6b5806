"""Double-entry journals. They balance, and they never change."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from billing.ledger import triggers
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import CurrencyCode


class CurrentTransaction(models.Func):
    """The id of the database transaction under way."""

    function = "pg_current_xact_id"
    template = "%(function)s()::text::bigint"
    arity = 0
    output_field = models.BigIntegerField()


class Account(models.Model):
    """One currency of one kind for one party; the exchange's own accounts have no organisation."""

    class Kind(models.TextChoices):
        RECEIVABLE = "receivable", _("Owed by a buyer")
        PAYABLE = "payable", _("Owed to an owner")
        COMMISSION = "commission", _("The exchange's commission")

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
                condition=Q(kind="commission", organisation__isnull=True)
                | Q(kind__in=["receivable", "payable"], organisation__isnull=False),
                name="ledger_account_party",
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.organisation_id or 'exchange'} {self.currency}"


class Journal(models.Model):
    """One movement. ``key`` is what caused it and makes it happen once."""

    key = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200)
    booked_at = models.DateTimeField(help_text="market time")
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")
    transaction = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    class Meta:
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
            triggers.JOURNAL_BALANCES,
        ]

    def __str__(self) -> str:
        return self.key


class Posting(models.Model):
    """A leg of a journal, in minor units of the account's currency; debits are positive."""

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="postings")
    amount = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["journal", "account"], name="posting_once_an_account"),
            models.CheckConstraint(condition=~Q(amount=0), name="posting_not_zero"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
            triggers.POSTING_WITH_ITS_JOURNAL,
            triggers.POSTING_BALANCES,
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount}"
