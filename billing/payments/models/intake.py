"""Money that comes in: payments, what they pay, and what of them goes back."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.ledger.models import Journal
from billing.payments import triggers
from billing.payments.models.bank import BankLine
from marketplace.catalogue.models import CurrencyCode
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED


class RailName(models.TextChoices):
    STRIPE = "stripe", "Stripe"
    BANK = "bank", _("Bank transfer")


class Customer(models.Model):
    """A buyer as Stripe knows it."""

    organisation = models.OneToOneField(Organisation, on_delete=models.PROTECT, related_name="+")
    provider_id = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return f"{self.organisation}: {self.provider_id}"


class SavedMethod(models.Model):
    """A card or a bank account that Stripe keeps for a buyer. We know what it is called, not its number."""

    class Kind(models.TextChoices):
        CARD = "card", _("Card")
        SEPA = "sepa_debit", _("SEPA direct debit")
        ACH = "us_bank_account", _("US bank account")

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="saved_methods")
    provider_id = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=20, choices=Kind)
    label = models.CharField(max_length=40)
    expires = models.CharField(max_length=7, blank=True, help_text="year and month, of cards")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.label


class Payment(models.Model):
    """One attempt to pay, or a transfer that arrived. ``operation`` is ours, and stored before the call.

    It is Stripe's idempotency key, so an attempt that is sent twice charges once. ``amount`` is in
    minor units and never changes.
    """

    class State(models.TextChoices):
        CREATED = "created", pgettext_lazy("payment", "Not sent yet")
        UNKNOWN = "unknown", pgettext_lazy("payment", "Being looked up")
        REQUIRES_ACTION = "requires_action", pgettext_lazy("payment", "Waits for you")
        PROCESSING = "processing", pgettext_lazy("payment", "Under way")
        SUCCEEDED = "succeeded", pgettext_lazy("payment", "Paid")
        FAILED = "failed", pgettext_lazy("payment", "Failed")
        CANCELLED = "cancelled", pgettext_lazy("payment", "Cancelled")

    operation = models.UUIDField(unique=True, default=uuid.uuid4)
    rail = models.CharField(max_length=10, choices=RailName)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(Document, null=True, on_delete=models.PROTECT, related_name="payments")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    method = models.ForeignKey(SavedMethod, null=True, on_delete=models.PROTECT, related_name="payments")
    bank_line = models.OneToOneField(
        BankLine, null=True, on_delete=models.PROTECT, related_name="payment", help_text="how it arrived"
    )
    state = models.CharField(max_length=20, choices=State)
    provider_id = models.CharField(max_length=80, blank=True)
    action_url = models.URLField(max_length=2000, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(help_text="market time")
    sent_at = models.DateTimeField(null=True, help_text="wall time of the first call")
    looked_up_at = models.DateTimeField(null=True, help_text="wall time")
    journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="payments")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_positive"),
            models.CheckConstraint(
                condition=Q(state="succeeded", journal__isnull=False)
                | ~Q(state="succeeded") & Q(journal__isnull=True),
                name="payment_booked_when_it_succeeds",
            ),
            models.CheckConstraint(
                condition=Q(rail="stripe", bank_line__isnull=True) | Q(rail="bank", method__isnull=True),
                name="payment_is_of_one_rail",
            ),
            models.UniqueConstraint(
                fields=["rail", "provider_id"], condition=~Q(provider_id=""), name="payment_provider_id_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["organisation", "-id"])]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(
                name="identity",
                fields=["operation", "rail", "organisation", "invoice", "amount", "currency", "method"],
            ),
            # What failed may still be paid (a debit that the bank presents again); what is paid stays so.
            triggers.Life(
                name="life",
                field="state",
                transitions=[
                    *(("created", to) for to in ("unknown", "requires_action", "processing")),
                    *(("created", to) for to in ("succeeded", "failed", "cancelled")),
                    *(("unknown", to) for to in ("requires_action", "processing")),
                    *(("unknown", to) for to in ("succeeded", "failed", "cancelled")),
                    *(("requires_action", to) for to in ("processing", "succeeded", "failed", "cancelled")),
                    *(("processing", to) for to in ("succeeded", "failed", "cancelled")),
                    ("failed", "succeeded"),
                    ("cancelled", "succeeded"),
                ],
            ),
            triggers.PAYMENT_WITHIN_WHAT_IS_DUE,
        ]

    def __str__(self) -> str:
        return str(self.operation)


UNDER_WAY = (
    Payment.State.CREATED,
    Payment.State.UNKNOWN,
    Payment.State.REQUIRES_ACTION,
    Payment.State.PROCESSING,
)


class Allocation(models.Model):
    """What a payment pays: an invoice, or (without one) the buyer's credit balance. Never changed.

    Negative amounts take back: for a refund, a dispute, or a credit that is used for an invoice.
    """

    class Reason(models.TextChoices):
        PAID = "paid", pgettext_lazy("allocation", "Paid")
        REFUNDED = "refunded", pgettext_lazy("allocation", "Refunded")
        DISPUTED = "disputed", pgettext_lazy("allocation", "Disputed")
        REINSTATED = "reinstated", pgettext_lazy("allocation", "Reinstated")
        CREDIT_USED = "credit_used", pgettext_lazy("allocation", "Credit used")

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Document, null=True, on_delete=models.PROTECT, related_name="allocations")
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=12, choices=Reason)
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="allocations")
    allocated_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount=0), name="allocation_not_zero"),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_CHANGED,
            triggers.ALLOCATION_WITHIN_BOUNDS,
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.invoice_id or 'credit'}: {self.amount}"


class Refund(models.Model):
    """Money that went back to the buyer by Stripe. ``journal`` once it did, ``undone`` if it came back."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    provider_id = models.CharField(max_length=80, unique=True)
    amount = models.BigIntegerField()
    journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="+")
    has_failed = models.BooleanField(default=False)
    undone = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_positive"),
            models.CheckConstraint(
                condition=Q(has_failed=False, undone__isnull=True)
                | Q(has_failed=True, journal__isnull=True, undone__isnull=True)
                | Q(has_failed=True, journal__isnull=False, undone__isnull=False),
                name="refund_undone_when_it_failed",
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(name="identity", fields=["payment", "provider_id", "amount"]),
        ]

    def __str__(self) -> str:
        return self.provider_id


class Dispute(models.Model):
    """A charge that the buyer's bank took back. ``status`` is Stripe's word, and only shown."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    provider_id = models.CharField(max_length=80, unique=True)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=40)
    opened_at = models.DateTimeField(help_text="market time")
    closed_at = models.DateTimeField(null=True, help_text="market time")
    withdrawn = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="+")
    reinstated = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="dispute_positive"),
            models.CheckConstraint(
                condition=Q(reinstated__isnull=True) | Q(withdrawn__isnull=False),
                name="dispute_reinstated_after_withdrawn",
            ),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            triggers.Fixed(name="identity", fields=["payment", "provider_id", "amount"]),
        ]

    def __str__(self) -> str:
        return self.provider_id
