"""What buyers dispute, what both sides say about it, and what came out. Nothing of it is ever forgotten."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from billing.rating.models.charges import RatingRun
from marketplace.agreements.models import Agreement
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED, changes_once

DISPUTE_IS_ONLY_CLOSED = changes_once(
    "only_closed",
    unless="OLD.state <> 'open' OR NEW.state = 'open'",
    only="'{state,closed_at,reason_of_outcome}'::text[]",
    problem="a dispute is closed once, and does not change",
    constraint="dispute_only_closed",
)
SLOT_IS_ONLY_CLOSED = changes_once(
    "only_closed",
    unless="NOT OLD.is_open OR NEW.is_open",
    only="'{is_open,quantity,run_id}'::text[]",
    problem="a disputed slot is closed once, and does not change",
    constraint="disputed_slot_only_closed",
)


class Dispute(models.Model):
    """A buyer's objection to the charges of one or more slots of an agreement. It is closed once."""

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("dispute", "open")
        UPHELD = "upheld", pgettext_lazy("dispute", "charges upheld")
        CORRECTED = "corrected", pgettext_lazy("dispute", "charges corrected")

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="disputes")
    reason = models.CharField(max_length=1000)
    opened_at = models.DateTimeField(help_text="market time")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    closed_at = models.DateTimeField(null=True, help_text="market time")
    reason_of_outcome = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None, reason_of_outcome="")
                | (~Q(state="open") & Q(closed_at__isnull=False) & ~Q(reason_of_outcome="")),
                name="dispute_outcome_has_a_reason",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["agreement"])]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, DISPUTE_IS_ONLY_CLOSED]

    def __str__(self) -> str:
        return f"dispute {self.pk}"


class DisputedSlot(models.Model):
    """A slot whose charges are held while its dispute is open: they stand on no document until then.

    Where they were corrected, ``quantity`` is what was decided to be charged, and ``run`` the rating run
    that did it; readings that its cutoff saw were known to whoever decided.
    """

    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="slots")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="disputed_slots")
    slot = models.DateTimeField()
    is_open = models.BooleanField(default=True)
    quantity = models.BigIntegerField(null=True, help_text="card-seconds")
    run = models.ForeignKey(RatingRun, null=True, on_delete=models.PROTECT, related_name="settled_slots")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agreement", "slot"], condition=Q(is_open=True), name="disputed_once_at_a_time"
            ),
            models.UniqueConstraint(fields=["dispute", "slot"], name="disputed_slot_once_a_dispute"),
            models.CheckConstraint(
                condition=Q(quantity=None, run=None)
                | Q(is_open=False, quantity__gte=0, quantity__isnull=False, run__isnull=False),
                name="disputed_slot_decided_when_closed",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["agreement", "slot"], name="disputed_slot")]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, SLOT_IS_ONLY_CLOSED]

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.slot:%F %H}"


class DisputeEntry(models.Model):
    """What one side said in a dispute."""

    class Side(models.TextChoices):
        BUYER = "buyer", _("Buyer")
        OWNER = "owner", _("Owner")

    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="entries")
    side = models.CharField(max_length=5, choices=Side)
    text = models.CharField(max_length=2000)
    entered_at = models.DateTimeField(help_text="market time")

    class Meta:
        verbose_name_plural = "dispute entries"
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.dispute_id}: {self.side}"


class UsageReport(models.Model):
    """The card-seconds that a buyer says it saw in a slot. All are kept; the newest of a slot is shown.

    ``name`` is the buyer's own: the same report under the same name is stored once.
    """

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="usage_reports")
    slot = models.DateTimeField()
    name = models.CharField(max_length=200)
    quantity = models.BigIntegerField(help_text="card-seconds")
    note = models.CharField(max_length=1000, blank=True)
    reported_at = models.DateTimeField(help_text="market time")
    stored_at = models.DateTimeField(db_default=Now(), help_text="wall time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "name"], name="usage_report_once"),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="usage_report_not_negative"),
        ]
        indexes: ClassVar = [models.Index(fields=["agreement", "slot"], name="usage_report_of_slot")]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.name}"
