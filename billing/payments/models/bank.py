"""Bank accounts, and what the bank says happened on ours."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from billing.ledger.models import Journal
from billing.payments.triggers import Fixed, Life
from marketplace.catalogue.models import CurrencyCode
from marketplace.guards import NEVER_DELETED, NEVER_EMPTIED


class BankAccount(models.Model):
    """Where an owner is paid; without an organisation, an account of the exchange.

    Either an IBAN, or an account number with the bank's number in the national clearing (CNAPS).
    One person enters it and another one confirms it: a changed account is the oldest fraud there is.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", pgettext_lazy("bank account", "To be confirmed")
        CONFIRMED = "confirmed", pgettext_lazy("bank account", "Confirmed")
        RETIRED = "retired", pgettext_lazy("bank account", "Not used any more")

    organisation = models.ForeignKey(
        Organisation, null=True, on_delete=models.PROTECT, related_name="bank_accounts"
    )
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    holder = models.CharField(max_length=70)
    iban = models.CharField(max_length=34, blank=True)
    bic = models.CharField(max_length=11, blank=True)
    number = models.CharField(max_length=34, blank=True)
    clearing_number = models.CharField(max_length=12, blank=True, help_text=_("CNAPS, 12 digits"))
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(help_text="market time")
    confirmed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(iban="") & Q(number="", clearing_number="")
                | Q(iban="") & ~Q(number="") & ~Q(clearing_number=""),
                name="bank_account_iban_or_number",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("proposed_by")),
                name="bank_account_four_eyes",
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(confirmed_by__isnull=False),
                name="bank_account_confirmed_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["organisation", "currency"],
                condition=Q(state="confirmed"),
                nulls_distinct=False,
                name="bank_account_one_confirmed",
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            Fixed(name="identity", exclude=["state", "confirmed_by"]),
            Life(
                name="life",
                field="state",
                transitions=[
                    ("proposed", "confirmed"),
                    ("proposed", "retired"),
                    ("confirmed", "retired"),
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.iban or f"{self.clearing_number} {self.number}"


class BankStatement(models.Model):
    """A file of the bank's, kept as it came. It is looked at first and imported afterwards."""

    class State(models.TextChoices):
        PREVIEWED = "previewed", pgettext_lazy("bank statement", "To be imported")
        IMPORTED = "imported", pgettext_lazy("bank statement", "Imported")
        DISCARDED = "discarded", pgettext_lazy("bank statement", "Discarded")

    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="statements")
    file_name = models.CharField(max_length=120)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.PREVIEWED)
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["sha256"], condition=~Q(state="discarded"), name="bank_statement_once"
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            Fixed(name="identity", exclude=["state"]),
            Life(
                name="life",
                field="state",
                transitions=[("previewed", "imported"), ("previewed", "discarded")],
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class BankLine(models.Model):
    """A movement on an account of the exchange, booked when it is imported, once for ever.

    ``amount`` is in minor units; what arrives is positive. What nobody recognises is booked to the
    suspense account and waits, ``unmatched``, for an operator.
    """

    class State(models.TextChoices):
        MATCHED = "matched", pgettext_lazy("bank line", "Matched")
        UNMATCHED = "unmatched", pgettext_lazy("bank line", "Not matched")
        ALLOCATED = "allocated", pgettext_lazy("bank line", "Allocated by hand")

    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="lines")
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="lines")
    bank_id = models.CharField(max_length=80)
    amount = models.BigIntegerField()
    booked_on = models.DateField()
    text = models.CharField(max_length=500, blank=True)
    end_to_end = models.CharField(max_length=35, blank=True)
    batch_reference = models.CharField(max_length=35, blank=True)
    counterparty = models.CharField(max_length=140, blank=True)
    return_reason = models.CharField(max_length=140, blank=True)
    state = models.CharField(max_length=10, choices=State)
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="bank_lines")
    allocation_journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "bank_id"], name="bank_line_once"),
            models.CheckConstraint(condition=~Q(amount=0), name="bank_line_not_zero"),
            models.CheckConstraint(
                condition=Q(state="allocated", allocation_journal__isnull=False)
                | ~Q(state="allocated") & Q(allocation_journal__isnull=True),
                name="bank_line_allocation_is_booked",
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            Fixed(name="identity", exclude=["state", "allocation_journal"]),
            Life(name="life", field="state", transitions=[("unmatched", "allocated")]),
        ]

    def __str__(self) -> str:
        return self.bank_id
