"""What happens when an invoice is not paid in time: a policy as data, and what was done."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation
from billing.invoicing import triggers
from billing.invoicing.models.documents import Document
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED


class DunningPolicy(models.Model):
    """When invoices fall due, and what follows. It never changes; the newest one in force is used.

    Each invoice keeps the due date that it was finalised with; what follows is decided by the policy in force
    when the invoice was finalised, so a stricter one surprises nobody.
    """

    name = models.CharField(max_length=60)
    valid_from = models.DateTimeField(unique=True, help_text="market time")
    days_to_pay = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name_plural = "dunning policies"
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return self.name


class DunningStep(models.Model):
    """What is done so many days after the due date, if the invoice is still open then."""

    class Action(models.TextChoices):
        REMIND = "remind", pgettext_lazy("dunning", "Remind")
        WARN = "warn", pgettext_lazy("dunning", "Warn of suspension")
        SUSPEND = "suspend", pgettext_lazy("dunning", "Suspend")

    policy = models.ForeignKey(DunningPolicy, on_delete=models.PROTECT, related_name="steps")
    days = models.PositiveSmallIntegerField(help_text="after the due date")
    action = models.CharField(max_length=10, choices=Action)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "days"], name="dunning_step_once_a_day"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.action} after {self.days} days"


class DunningNotice(models.Model):
    """A step that was taken for an invoice, once, and what was open then."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="notices")
    step = models.ForeignKey(DunningStep, on_delete=models.PROTECT, related_name="notices")
    taken_at = models.DateTimeField(help_text="market time")
    open_amount = models.BigIntegerField(help_text="minor units")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "step"], name="dunning_notice_once"),
            models.CheckConstraint(condition=Q(open_amount__gt=0), name="dunning_notice_of_something"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.document_id}: {self.step}"


class Suspension(models.Model):
    """A buyer that may not enter requests, since an invoice is long overdue. What it bought is delivered."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="suspensions")
    notice = models.OneToOneField(DunningNotice, on_delete=models.PROTECT, related_name="suspension")
    since = models.DateTimeField(help_text="market time")
    lifted_at = models.DateTimeField(null=True, help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organisation"], condition=Q(lifted_at=None), name="suspended_once"
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None) | Q(lifted_at__gte=F("since")), name="suspension_lifted_later"
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, triggers.SUSPENSION_IS_ONLY_LIFTED]

    def __str__(self) -> str:
        return f"{self.organisation_id} since {self.since:%F}"
