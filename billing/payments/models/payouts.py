"""Money that goes out to owners."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from billing.ledger.models import Journal
from billing.payments import triggers
from billing.payments.models.bank import BankAccount
from billing.payments.models.intake import RailName
from marketplace.catalogue.models import CurrencyCode
from marketplace.guards import NEVER_DELETED, NEVER_EMPTIED


class ConnectedAccount(models.Model):
    """An owner's account at Stripe. ``may_receive`` once Stripe has checked who it is."""

    organisation = models.OneToOneField(Organisation, on_delete=models.PROTECT, related_name="+")
    provider_id = models.CharField(max_length=80, unique=True)
    may_receive = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True, help_text="wall time at Stripe")

    def __str__(self) -> str:
        return f"{self.organisation}: {self.provider_id}"


class Hold(models.Model):
    """A part of what an owner is owed that is not paid out for now, for example while it is disputed."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="payout_holds")
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    amount = models.BigIntegerField()
    cause = models.CharField(max_length=80, unique=True)
    why = models.CharField(max_length=300)
    placed_at = models.DateTimeField(help_text="market time")
    released_at = models.DateTimeField(null=True, help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="hold_positive"),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(name="identity", exclude=["released_at"]),
        ]

    def __str__(self) -> str:
        return self.cause


class PayoutBatch(models.Model):
    """Payouts that one person puts together and another one approves; the database insists on it.

    ``file`` is the pain.001 of a bank batch, made at the approval and kept as it was approved.
    """

    class State(models.TextChoices):
        DRAFTED = "drafted", pgettext_lazy("payout batch", "To be approved")
        APPROVED = "approved", pgettext_lazy("payout batch", "Approved")
        REJECTED = "rejected", pgettext_lazy("payout batch", "Rejected")

    reference = models.UUIDField(unique=True, default=uuid.uuid4)
    rail = models.CharField(max_length=10, choices=RailName)
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    account = models.ForeignKey(BankAccount, null=True, on_delete=models.PROTECT, related_name="batches")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFTED)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(help_text="market time")
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, help_text="market time")
    file = models.BinaryField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "payout batches"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("made_by")), name="payout_batch_four_eyes"
            ),
            models.CheckConstraint(
                condition=Q(state="drafted", decided_by__isnull=True, decided_at__isnull=True)
                | ~Q(state="drafted") & Q(decided_by__isnull=False, decided_at__isnull=False),
                name="payout_batch_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(rail="stripe", account__isnull=True) | Q(rail="bank", account__isnull=False),
                name="payout_batch_from_an_account",
            ),
            models.CheckConstraint(
                condition=Q(rail="bank", state="approved", file__isnull=False)
                | ~Q(rail="bank", state="approved") & Q(file__isnull=True),
                name="payout_batch_file_when_approved",
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(
                name="identity", fields=["reference", "rail", "currency", "account", "made_by", "made_at"]
            ),
            triggers.BATCH_DECIDED_ONCE,
            triggers.Life(
                name="life",
                field="state",
                transitions=[("drafted", "approved"), ("drafted", "rejected")],
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Payout(models.Model):
    """An amount for one owner. ``operation`` is ours: idempotency key at Stripe, reference at the bank.

    Booked when it is instructed, so that nothing is instructed twice; ``returned`` is what came back.
    """

    class State(models.TextChoices):
        DRAFTED = "drafted", pgettext_lazy("payout", "Drafted")
        DROPPED = "dropped", pgettext_lazy("payout", "Dropped")
        INSTRUCTED = "instructed", pgettext_lazy("payout", "On its way")
        UNKNOWN = "unknown", pgettext_lazy("payout", "Being looked up")
        EXECUTED = "executed", pgettext_lazy("payout", "Executed")
        FAILED = "failed", pgettext_lazy("payout", "Failed")

    operation = models.UUIDField(unique=True, default=uuid.uuid4)
    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="payouts")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="payouts")
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    amount = models.BigIntegerField()
    account = models.ForeignKey(BankAccount, null=True, on_delete=models.PROTECT, related_name="payouts")
    connected = models.ForeignKey(
        ConnectedAccount, null=True, on_delete=models.PROTECT, related_name="payouts"
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFTED)
    provider_id = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, help_text="wall time of the first call")
    looked_up_at = models.DateTimeField(null=True, help_text="wall time")
    journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="payouts")
    returned = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payout_positive"),
            models.CheckConstraint(
                condition=Q(returned=0) | Q(state="executed", returned__gt=0, returned__lte=F("amount")),
                name="payout_returned_of_executed",
            ),
            models.CheckConstraint(
                condition=Q(account__isnull=False, connected__isnull=True)
                | Q(account__isnull=True, connected__isnull=False),
                name="payout_to_one_place",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["drafted", "dropped"], journal__isnull=True)
                | ~Q(state__in=["drafted", "dropped"]) & Q(journal__isnull=False),
                name="payout_booked_when_instructed",
            ),
            models.UniqueConstraint(fields=["batch", "organisation"], name="payout_once_a_batch"),
        ]
        indexes: ClassVar = [models.Index(fields=["organisation", "-id"])]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(
                name="identity",
                fields=[
                    "operation",
                    "batch",
                    "organisation",
                    "currency",
                    "amount",
                    "account",
                    "connected",
                ],
            ),
            triggers.Life(
                name="life",
                field="state",
                transitions=[
                    ("drafted", "instructed"),
                    ("drafted", "dropped"),
                    *(("instructed", to) for to in ("unknown", "executed", "failed")),
                    *(("unknown", to) for to in ("executed", "failed")),
                ],
            ),
            triggers.PAYOUT_WITHIN_BALANCE,
            triggers.PAYOUT_AFTER_APPROVAL,
        ]

    def __str__(self) -> str:
        return str(self.operation)
